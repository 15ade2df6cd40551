/** What transformers and llama.cpp made of the real models (test/golden/real_models.py), and the same from ours. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { writeBatch } from "../../src/llm/batch.ts";
import { type ModelFile, openModel } from "../../src/llm/model_file.ts";
import type { Activations } from "../../src/llm/models/graphs.ts";
import { loadWeights, weightDtypes } from "../../src/llm/models/load.ts";
import { Scorer } from "../../src/llm/score.ts";
import { Tokenizer } from "../../src/llm/tokenizer/tokenizer.ts";
import { cachedModel, sharedData } from "../shared.ts";

export interface RealGolden {
  readonly model: string;
  readonly window: number;
  readonly tokens_sha256: string;
  /** Rows of every window whose distribution by llama.cpp is kept: its most likely tokens and their log-likelihoods. */
  readonly rows: readonly number[];
  readonly llamaTop: { readonly ids: Uint32Array; readonly logp: Float32Array; readonly count: number };
  /** Rows and columns of every window whose exact logits are kept, and the largest of all columns. */
  readonly exact_rows: readonly number[];
  readonly columns: readonly number[];
  readonly exactLogits: Float32Array;
  readonly exactLargest: Float32Array;
  readonly nll: { readonly exact: Float32Array; readonly llama: Float32Array };
  readonly mean_exact: number;
  readonly mean_llama: number;
  readonly greedy: readonly { prompt: number[]; tokens: number[]; margins: number[] }[];
}

export const realNames = ["smollm2", "gemma3"] as const;
export type RealName = (typeof realNames)[number];

const floats = (text: string) => new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
const words = (text: string) => new Uint32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);

export function realGolden(name: RealName): RealGolden {
  const file = new URL(`../golden/real_${name}.json.gz`, import.meta.url);
  const raw = JSON.parse(gunzipSync(readFileSync(file)).toString());
  const [ids, logp] = [words(raw.llama_top_ids), floats(raw.llama_top_logp)];
  const windows = floats(raw.nll_exact).length / (raw.window - 1);
  return {
    ...raw,
    llamaTop: { ids, logp, count: ids.length / windows / raw.rows.length },
    exactLogits: floats(raw.exact_logits),
    exactLargest: floats(raw.exact_largest),
    nll: { exact: floats(raw.nll_exact), llama: floats(raw.nll_llama) },
  };
}

/** Why the tests on a model cannot run here; undefined where they can. */
export function missing(name: RealName): string | undefined {
  const { model } = realGolden(name);
  if (!cachedModel(model)) return `${model} is not in the cache; npm run models fetches it`;
  if (!existsSync(sharedData("text/wikitext-2-test.txt") ?? "")) return "WikiText-2 test is absent";
  return undefined;
}

export function openReal(name: RealName): Promise<ModelFile> {
  return openModel(cachedModel(realGolden(name).model)!);
}

/** The golden's windows of WikiText-2, tokenized here; a BOS in front of each where the model wants one. */
export function windowsOf(tokenizer: Tokenizer, golden: RealGolden): number[][] {
  const text = readFileSync(sharedData("text/wikitext-2-test.txt")!, "utf8");
  const bos = tokenizer.encode("").slice(0, 1);
  const ids = tokenizer.encode(text).slice(bos.length);
  const fresh = golden.window - bos.length;
  const count = golden.nll.exact.length / (golden.window - 1);
  return Array.from({ length: count }, (_, i) => [...bos, ...ids.slice(i * fresh, (i + 1) * fresh)]);
}

export function digestOf(windows: readonly number[][]): string {
  const hash = createHash("sha256");
  for (const ids of windows) hash.update(Uint8Array.from(new Uint8Array(Uint32Array.from(ids).buffer)));
  return hash.digest("hex");
}

/** Feeds one token after the other of a known text; logits are those of a row, valid during the visit. */
export class TeacherForced {
  private readonly scorer: Scorer;
  readonly tokenizer: Tokenizer;

  private constructor(scorer: Scorer, tokenizer: Tokenizer) {
    this.scorer = scorer;
    this.tokenizer = tokenizer;
  }

  static async open(file: ModelFile, activations: Activations, window: number): Promise<TeacherForced> {
    const scorer = await Scorer.open({
      model: { config: file.config, dtype: weightDtypes(file.gguf, "file"), activations },
      context: window,
      rows: window,
      sequences: 1,
      outputs: 64,
      threads: 2,
    });
    await loadWeights(scorer.engine, file.config, file.gguf);
    return new TeacherForced(scorer, Tokenizer.fromGguf(file.gguf.metadata));
  }

  /** −log p of every token but the first. */
  async window(
    ids: readonly number[],
    visit?: (row: number, logits: Float32Array) => void,
  ): Promise<number[]> {
    const { engine } = this.scorer;
    const sizes = writeBatch(engine, [{ tokens: ids }]);
    await engine.run("score", "body", { ...sizes, outputs: 0 });
    const vocabulary = engine.place("logits").value.shape[1] as number;
    const losses: number[] = [];
    for (let first = 0; first < ids.length - 1; first += 64) {
      const rows = Math.min(64, ids.length - 1 - first);
      for (let i = 0; i < rows; i++) {
        engine.u32("output_row")[i] = first + i;
        engine.u32("target")[i] = ids[first + i + 1];
        engine.f32("weight")[i] = 1;
      }
      await engine.run("score", "head", { ...sizes, outputs: rows });
      losses.push(...engine.f32("loss").subarray(0, rows));
      const logits = engine.f32("logits");
      for (let i = 0; i < rows; i++)
        visit?.(first + i, logits.subarray(i * vocabulary, (i + 1) * vocabulary));
    }
    return losses;
  }

  close(): Promise<void> {
    return this.scorer.close();
  }
}
