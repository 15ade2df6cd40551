/** Adapters as the PEFT library keeps them: a directory with adapter_config.json and adapter_model.safetensors. */
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { closest } from "fastest-levenshtein";
import { fileDtypes } from "../../engine/dtypes/index.ts";
import { InputError } from "../../errors.ts";
import { writeFileAtomically } from "../files/atomic.ts";
import {
  readSafetensors,
  type Safetensors,
  type SafetensorsTensor,
  writeSafetensors,
} from "../files/safetensors.ts";
import { openFile } from "../files/source.ts";
import type { ModelConfig } from "../models/config.ts";
import { type Adapter, type AdapterHalf, adapterHalves } from "./adapter.ts";
import { formatConfig, MODULES, parseConfig } from "./config.ts";

const CONFIG_FILE = "adapter_config.json";
const TENSORS_FILE = "adapter_model.safetensors";

/** The model that an adapter is for: its sizes, its checksum (see `baseChecksum`) and a name for messages. */
export interface Base {
  readonly config: ModelConfig;
  readonly sha256: string;
  readonly name: string;
}

/** Makes or replaces the adapter in a directory. The configuration is written last: without it there is no adapter. */
export async function writeAdapter(
  directory: string,
  { config, tensors }: Adapter,
  base: Base,
): Promise<void> {
  await mkdir(directory, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`adapter: ${directory}: cannot be made: ${error.code}`);
  });
  await writeSafetensors(
    path.join(directory, TENSORS_FILE),
    adapterHalves(base.config, config.r, config.roles).map((half) => {
      const values = tensors.get(half.name)!;
      const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      return { name: peftName(half), dtype: "F32", shape: half.shape, data };
    }),
    { format: "pt" }, // the PEFT library asks for it
  );
  const text = formatConfig({ ...config, baseSha256: base.sha256 }, base.name);
  await writeFileAtomically(path.join(directory, CONFIG_FILE), text);
}

/**
 * Reads an adapter for this base. An InputError where it was made for another one, or is not plain LoRA on the linears of the layers;
 * a warning where it does not say for which base it was made.
 */
export async function readAdapter(
  directory: string,
  base: Base,
): Promise<{ adapter: Adapter; warning?: string }> {
  const file = path.join(directory, CONFIG_FILE);
  const config = parseConfig(await readText(file), file);
  if (config.baseSha256 !== undefined && config.baseSha256 !== base.sha256)
    throw new InputError(
      `adapter: ${directory}: was made for a base with sha256 ${config.baseSha256}, but ${base.name} has ${base.sha256}; use the model that it was trained on`,
    );
  const tensors = await readTensors(
    path.join(directory, TENSORS_FILE),
    adapterHalves(base.config, config.r, config.roles),
  );
  const adapter = { config, tensors };
  if (config.baseSha256 !== undefined) return { adapter };
  return {
    adapter,
    warning: `adapter: ${directory}: does not say for which base it was made; whether it is ${base.name} is not known`,
  };
}

/** `base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight` */
function peftName({ layer, role, half }: AdapterHalf): string {
  return `base_model.model.model.layers.${layer}.${MODULES[role]}.lora_${half.toUpperCase()}.weight`;
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(
      `adapter: ${file}: ${error.code === "ENOENT" ? "no such file" : `cannot be read: ${error.code}`}`,
    );
  });
  return bytes.toString("utf8");
}

async function readTensors(file: string, halves: readonly AdapterHalf[]): Promise<Map<string, Float32Array>> {
  const source = await openFile(file);
  try {
    const content = await readSafetensors(source);
    const names = new Set(halves.map(peftName));
    for (const name of content.tensors.keys())
      if (!names.has(name))
        throw new InputError(
          `adapter: ${file}: tensor "${name.slice(0, 120)}" belongs to none of the target_modules`,
        );
    const tensors = new Map<string, Float32Array>();
    for (const half of halves) {
      const tensor = checkedTensor(file, content, half);
      tensors.set(half.name, decode(tensor, await content.read(tensor)));
    }
    return tensors;
  } finally {
    await source.close();
  }
}

function checkedTensor(file: string, { tensors }: Safetensors, half: AdapterHalf): SafetensorsTensor {
  const name = peftName(half);
  const tensor = tensors.get(name);
  if (!tensor) {
    const remedy = tensors.size ? `nearest is "${closest(name, [...tensors.keys()])}"` : "it has none";
    throw new InputError(`adapter: ${file}: file has no tensor "${name}"; ${remedy}`);
  }
  if (tensor.shape.join() !== half.shape.join())
    throw new InputError(
      `adapter: ${file}: tensor "${name}" is (${tensor.shape}) but r and the base ask for (${half.shape})`,
    );
  if (!["F32", "F16", "BF16"].includes(tensor.dtype))
    throw new InputError(`adapter: ${file}: tensor "${name}" is ${tensor.dtype}; F32, F16 and BF16 are read`);
  return tensor;
}

function decode({ dtype }: SafetensorsTensor, bytes: Uint8Array): Float32Array {
  if (dtype === "F32") return fileDtypes.f32.decode(bytes);
  if (dtype === "F16") return fileDtypes.f16.decode(bytes);
  // BF16: the upper halves of float32
  const halves = new Uint16Array(bytes.slice().buffer);
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}
