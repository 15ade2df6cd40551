/**
 * Replaces an adapter with one of another lora_alpha, from the built package, and kills itself before the CALL-th call that changes the
 * directory: killed_write.mjs MODEL DIRECTORY ALPHA VALUE [CALL]. Every value of the tensors is VALUE.
 */
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { adapterHalves } from "../../dist/src/llm/adapters/adapter.js";
import { baseOf } from "../../dist/src/llm/adapters/base.js";
import { writeAdapter } from "../../dist/src/llm/adapters/files.js";
import { openModel } from "../../dist/src/llm/model_file.js";

const [model, directory, alpha, value, lethal] = process.argv.slice(2);
const base = await baseOf(await openModel(model));
const config = { r: 2, loraAlpha: Number(alpha), useRslora: false, roles: ["q"] };
const tensors = new Map(
  adapterHalves(base.config, config.r, config.roles).map(({ name, shape: [a, b] }) => [
    name,
    new Float32Array(a * b).fill(Number(value)),
  ]),
);
if (lethal) dieAt(Number(lethal));
await writeAdapter(directory, { config, tensors }, base);

function dieAt(count) {
  let calls = 0;
  for (const name of ["open", "rename", "rm", "mkdir"]) {
    const called = fs[name];
    fs[name] = (...values) => {
      if (++calls === count) process.kill(process.pid, "SIGKILL");
      return called(...values);
    };
  }
  syncBuiltinESMExports();
}
