/** Which model an adapter belongs to. */
import { createHash } from "node:crypto";
import path from "node:path";
import type { ModelFile } from "../model_file.ts";
import { modelWeights } from "../models/family.ts";
import { decodedRows } from "../models/load.ts";
import type { Base } from "./files.ts";

/**
 * sha256 over every weight, in the order of the model: its name, its shape and its values as little-endian float32 in Hugging Face order.
 * So it depends on what the model computes, not on how the file is laid out.
 */
export async function baseChecksum({ gguf, config }: ModelFile): Promise<string> {
  const hash = createHash("sha256");
  for (const spec of modelWeights(config)) {
    hash.update(`${spec.name} ${spec.shape}\n`);
    for await (const values of decodedRows(gguf, spec, config)) hash.update(values);
  }
  return hash.digest("hex");
}

/** The base that a model file is. */
export async function baseOf(file: ModelFile): Promise<Base> {
  return { config: file.config, sha256: await baseChecksum(file), name: path.basename(file.path) };
}
