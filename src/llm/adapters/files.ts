/** Adapters as the PEFT library keeps them: a directory with adapter_config.json and adapter_model.safetensors. */
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { closest } from "fastest-levenshtein";
import { fileDtypes } from "../../engine/dtypes/index.ts";
import { InputError } from "../../errors.ts";
import { contentOf, prepareFile, removeLeftovers } from "../files/atomic.ts";
import {
  readSafetensors,
  type Safetensors,
  type SafetensorsTensor,
  safetensorsContent,
} from "../files/safetensors.ts";
import { openFile } from "../files/source.ts";
import type { ModelConfig } from "../models/config.ts";
import { type Adapter, type AdapterHalf, adapterHalves } from "./adapter.ts";
import {
  BASE_KEY,
  formatConfig,
  isSha256,
  type LoraConfig,
  MODULES,
  parseConfig,
  settingsOf,
} from "./config.ts";

const CONFIG_FILE = "adapter_config.json";
const TENSORS_FILE = "adapter_model.safetensors";
/** What CONFIG_FILE was, while the adapter is replaced. */
const REPLACED_FILE = "adapter_config.replaced.json";
/** Metadata of the tensors: the text of CONFIG_FILE. */
const CONFIG_KEY = "edgewise_adapter_config";

/** The model that an adapter is for: its sizes, its checksum (see `baseChecksum`) and a name for messages. */
export interface Base {
  readonly config: ModelConfig;
  readonly sha256: string;
  readonly name: string;
}

/**
 * Makes or replaces the adapter in a directory. The tensors' metadata repeats the configuration, and the old one is out of the way before the
 * new tensors are in: whenever the process is killed, the directory holds the old adapter or the new one, never a mixture.
 */
export async function writeAdapter(
  directory: string,
  { config, tensors }: Adapter,
  base: Base,
): Promise<void> {
  await mkdir(directory, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`adapter: ${directory}: cannot be made: ${error.code}`);
  });
  const [configFile, tensorsFile, replaced] = [CONFIG_FILE, TENSORS_FILE, REPLACED_FILE].map((name) =>
    path.join(directory, name),
  );
  const text = formatConfig(config, base.name);
  const halves = adapterHalves(base.config, config.r, config.roles).map((half) => {
    const values = tensors.get(half.name)!;
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    requireFinite(directory, peftName(half), values);
    return { name: peftName(half), dtype: "F32", shape: half.shape, data } as const;
  });
  // The PEFT library asks for the format.
  const metadata = { format: "pt", [BASE_KEY]: base.sha256, [CONFIG_KEY]: text };
  const newTensors = await prepareFile(tensorsFile, safetensorsContent(tensorsFile, halves, metadata));
  const newConfig = await prepareFile(configFile, contentOf(text)).catch(async (error) => {
    await newTensors.discard();
    throw error;
  });
  await rename(configFile, replaced).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await newTensors.commit();
  await newConfig.commit();
  await rm(replaced, { force: true });
  for (const file of [tensorsFile, configFile]) await removeLeftovers(file);
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
  const text = await readText(file);
  const { layers } = base.config;
  const beside = text === undefined ? undefined : parseConfig(text, file, layers);
  const { content, source } = await openTensors(directory, beside);
  try {
    const config = {
      ...configOf(directory, content, beside, layers),
      ...checksumOf(directory, content, beside),
    };
    if (config.baseSha256 !== undefined && config.baseSha256 !== base.sha256)
      throw new InputError(
        `adapter: ${directory}: was made for a base with sha256 ${config.baseSha256}, but ${base.name} has ${base.sha256}; use the model that it was trained on`,
      );
    const halves = adapterHalves(base.config, config.r, config.roles);
    const tensors = await readTensors(path.join(directory, TENSORS_FILE), content, halves);
    const warning = warningOf(directory, config, beside, base);
    return { adapter: { config, tensors }, ...(warning && { warning }) };
  } finally {
    await source.close();
  }
}

/** A directory without configuration holds an adapter only where a write was cut short. */
async function openTensors(directory: string, beside: LoraConfig | undefined) {
  const noConfig = new InputError(`adapter: ${path.join(directory, CONFIG_FILE)}: no such file`);
  const source = await openFile(path.join(directory, TENSORS_FILE)).catch((error) => {
    throw beside ? error : noConfig;
  });
  try {
    const content = await readSafetensors(source);
    if (!beside && !content.metadata.has(CONFIG_KEY)) throw noConfig;
    return { content, source };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The configuration in the directory, which must be that of the tensors where they say which it was. */
function configOf(
  directory: string,
  { metadata }: Safetensors,
  beside: LoraConfig | undefined,
  layers: number,
): LoraConfig {
  const text = metadata.get(CONFIG_KEY);
  if (text === undefined) return beside!;
  const own = parseConfig(text, `${path.join(directory, TENSORS_FILE)}: metadata "${CONFIG_KEY}"`, layers);
  if (!beside || settingsOf(own) === settingsOf(beside)) return own;
  throw new InputError(
    `adapter: ${directory}: ${CONFIG_FILE} (${settingsOf(beside)}) is not that of ${TENSORS_FILE} (${settingsOf(own)}); put the file back that belongs to it, or write the adapter anew`,
  );
}

function checksumOf(
  directory: string,
  { metadata }: Safetensors,
  beside: LoraConfig | undefined,
): Pick<LoraConfig, "baseSha256"> {
  const sha256 = metadata.get(BASE_KEY) ?? beside?.baseSha256;
  if (sha256 === undefined || isSha256(sha256)) return { baseSha256: sha256 };
  const file = path.join(directory, TENSORS_FILE);
  throw new InputError(
    `adapter: ${file}: metadata "${BASE_KEY}" is ${JSON.stringify(String(sha256).slice(0, 120))}, must be 64 hexadecimal digits`,
  );
}

function warningOf(
  directory: string,
  { baseSha256 }: LoraConfig,
  beside: LoraConfig | undefined,
  base: Base,
): string | undefined {
  if (!beside)
    return `adapter: ${directory}: ${CONFIG_FILE} is not there, because a write was cut short; its settings are taken from ${TENSORS_FILE}. Write the adapter anew before another program reads it`;
  if (baseSha256 !== undefined) return undefined;
  return `adapter: ${directory}: does not say for which base it was made; whether it is ${base.name} is not known`;
}

/** `base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight` */
function peftName({ layer, role, half }: AdapterHalf): string {
  return `base_model.model.model.layers.${layer}.${MODULES[role]}.lora_${half.toUpperCase()}.weight`;
}

/** undefined where there is no such file. */
async function readText(file: string): Promise<string | undefined> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new InputError(`adapter: ${file}: cannot be read: ${error.code}`);
  });
  return bytes?.toString("utf8");
}

async function readTensors(
  file: string,
  content: Safetensors,
  halves: readonly AdapterHalf[],
): Promise<Map<string, Float32Array>> {
  const names = new Set(halves.map(peftName));
  for (const name of content.tensors.keys())
    if (!names.has(name))
      throw new InputError(
        `adapter: ${file}: tensor "${name.slice(0, 120)}" belongs to none of the target_modules`,
      );
  const tensors = new Map<string, Float32Array>();
  for (const half of halves) {
    const tensor = checkedTensor(file, content, half);
    const values = decode(tensor, await content.read(tensor));
    requireFinite(file, tensor.name, values);
    tensors.set(half.name, values);
  }
  return tensors;
}

/** One such value makes every answer of the adapter NaN. */
function requireFinite(place: string, name: string, values: Float32Array): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new InputError(
    `adapter: ${place}: tensor "${name}" holds ${values[at]} at ${at}, must be finite numbers; train it anew with a lower learning rate`,
  );
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
