/**
 * What a fresh process computes on so many threads: a few tokens, and the likelihood of a text, of a small model of the box. Prints a
 * digest of every bit of it. `node dist/test/threads/answer.js THREADS`; `fresh.ts` runs many of them.
 */
import { createHash } from "node:crypto";
import path from "node:path";
import { packageRoot } from "../../src/engine/host/assets.ts";
import { load } from "../../src/index.ts";

const threads = Number(process.argv[2]);
const lm = await load(path.join(packageRoot(), "models", "edgewise-s.gguf"), { context: 128, threads });
const digest = createHash("sha256");
for await (const { text, logprobs } of lm.generate("The people of the United States", {
  max_tokens: 24,
  temperature: 1,
  seed: 7,
  logprobs: 5,
}))
  digest.update(JSON.stringify([text, logprobs]));
const [{ tokens, logprobs }] = await lm.score([
  "We have met every test, and the state of our union is strong.",
]);
digest.update(JSON.stringify([tokens, logprobs]));
await lm.dispose();
console.log(digest.digest("hex"));
