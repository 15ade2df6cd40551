/**
 * A training run on disk: one safetensors file with parameters, moments and schedule, and in its metadata the step, what the run was asked
 * to do and where its data stands. It is written whole or not at all, so a run that is killed goes on from its last checkpoint to the
 * same losses, bit for bit.
 */
import { createHash } from "node:crypto";
import { fileDtypes } from "../../engine/dtypes/index.ts";
import { InputError } from "../../errors.ts";
import { removeLeftovers } from "../files/atomic.ts";
import {
  readSafetensors,
  type Safetensors,
  type SafetensorsTensor,
  writeSafetensors,
} from "../files/safetensors.ts";
import { openFile } from "../files/source.ts";
import type { Trainer } from "./trainer.ts";

/** What JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonRecord = Readonly<Record<string, Json>>;

export interface CheckpointInfo {
  /** What the run was asked to do beyond the trainer's own setup: schedule, seeds, data. A resumed run must be asked the same. */
  readonly options: JsonRecord;
  /** What the caller needs to go on: where its data stands. Given back by `loadCheckpoint`. */
  readonly position: JsonRecord;
}

const FORMAT = "edgewise checkpoint 1";
/** Bytes of weights that are hashed at a time. */
const CHUNK = 1 << 20;

/** Writes the trainer's whole state, between two steps; whatever happens meanwhile, `path` holds this checkpoint or the one before. */
export async function saveCheckpoint(path: string, trainer: Trainer, info: CheckpointInfo): Promise<void> {
  const { engine } = trainer;
  if (engine.f32("weight_sum")[0] !== 0) throw new Error("checkpoint: a step is under way");
  const tensors = stateNames(trainer).map((name) => {
    const { offset, bytes, value } = engine.place(name);
    const data = engine.bytes(offset, bytes).slice();
    return { name, dtype: "F32" as const, shape: value.shape as readonly number[], data };
  });
  await writeSafetensors(path, tensors, {
    format: FORMAT,
    step: String(trainer.step),
    ...encode({ ...fingerprint(trainer), ...prefixed(info.options) }),
    position: JSON.stringify(info.position),
  });
}

/**
 * Restores a trainer that was set up in the same way, and returns the position. An InputError where the file is no checkpoint, or one of
 * another base, setup or `options`; the trainer is then as it was.
 */
export async function loadCheckpoint(
  path: string,
  trainer: Trainer,
  options: JsonRecord,
): Promise<JsonRecord> {
  const source = await openFile(path);
  try {
    const file = await readSafetensors(source);
    checkMetadata(path, file, { ...fingerprint(trainer), ...prefixed(options) });
    const names = stateNames(trainer);
    const tensors = names.map((name) => checkedTensor(path, file, trainer, name));
    const values: Uint8Array[] = [];
    for (const tensor of tensors) values.push(finite(path, tensor.name, await file.read(tensor)));
    trainer.restart();
    names.forEach((name, i) => {
      const { offset, bytes } = trainer.engine.place(name);
      trainer.engine.bytes(offset, bytes).set(values[i]);
    });
    trainer.step = Number(file.metadata.get("step"));
    await removeLeftovers(path);
    return JSON.parse(file.metadata.get("position")!);
  } finally {
    await source.close();
  }
}

/** Everything that a step reads and that earlier steps have changed. Gradients are zero between steps. */
function stateNames({ parameters }: Trainer): string[] {
  return [...parameters.flatMap((name) => [name, `moment1.${name}`, `moment2.${name}`]), "schedule"];
}

/** What must be the same for a run to go on to the same numbers. Threads and batch capacity are not among it. */
function fingerprint(trainer: Trainer): JsonRecord {
  const { model, options, sideBySide = false } = trainer.setup;
  return {
    base: baseOf(trainer),
    model: { ...model.config },
    adapters: model.bank ? { ...model.bank } : null,
    training: { ...options, sideBySide },
  };
}

const bases = new WeakMap<Trainer, string>();

/** sha256 over names, dtypes and bytes of the frozen weights, as they stand in memory. */
function baseOf(trainer: Trainer): string {
  const known = bases.get(trainer);
  if (known) return known;
  const { engine } = trainer;
  const hash = createHash("sha256");
  for (const [name, { kind, value, offset, bytes }] of engine.program.leaves) {
    if (kind !== "weight" || name.startsWith("rotary")) continue;
    hash.update(`${name} ${value.dtype} ${value.shape}\n`);
    for (let at = 0; at < bytes; at += CHUNK)
      hash.update(engine.bytes(offset + at, Math.min(CHUNK, bytes - at)).slice());
  }
  const sum = hash.digest("hex");
  bases.set(trainer, sum);
  return sum;
}

function prefixed(options: JsonRecord): JsonRecord {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [`option.${key}`, value]));
}

function encode(record: JsonRecord): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, canonical(value)]));
}

/** JSON with sorted keys, so that equal values are equal texts. */
function canonical(value: Json): string {
  return JSON.stringify(value, (_key, part) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function checkMetadata(path: string, { metadata }: Safetensors, wanted: JsonRecord): void {
  const found = metadata.get("format");
  if (found !== FORMAT)
    throw new InputError(
      `checkpoint: ${path}: format is ${found === undefined ? "missing" : JSON.stringify(found)}, not "${FORMAT}"`,
    );
  const current = encode(wanted);
  const keys = new Set([...Object.keys(current), ...metadata.keys()]);
  for (const own of ["format", "step", "position"]) keys.delete(own);
  for (const key of keys) {
    const [was, is] = [metadata.get(key) ?? "missing", current[key] ?? "missing"];
    if (was !== is)
      throw new InputError(
        `checkpoint: ${path}: ${key} was ${was} and is now ${is}; go on with what the run began with, or start anew elsewhere`,
      );
  }
  const step = metadata.get("step");
  if (step === undefined || !/^\d{1,15}$/.test(step))
    throw new InputError(`checkpoint: ${path}: step is ${JSON.stringify(step)}, not a whole number`);
  if (!isRecord(metadata.get("position")))
    throw new InputError(`checkpoint: ${path}: position is not a JSON object`);
}

function isRecord(text: string | undefined): boolean {
  try {
    const value = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function finite(path: string, name: string, values: Uint8Array): Uint8Array {
  const at = fileDtypes.f32.firstNotFinite(values);
  if (at < 0) return values;
  throw new InputError(
    `checkpoint: ${path}: tensor "${name}" holds NaN or an infinite number at ${at}; go on from an earlier checkpoint, or start anew`,
  );
}

function checkedTensor(
  path: string,
  file: Safetensors,
  { engine }: Trainer,
  name: string,
): SafetensorsTensor {
  const { shape } = engine.place(name).value;
  const tensor = file.tensors.get(name);
  const found = tensor ? `${tensor.dtype} (${tensor.shape})` : "missing";
  if (tensor?.dtype !== "F32" || tensor.shape.join() !== shape.join())
    throw new InputError(`checkpoint: ${path}: tensor "${name}" is ${found}, must be F32 (${shape})`);
  return tensor;
}
