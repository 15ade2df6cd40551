/** Weights from a file into a program's memory, in groups of rows through the idle arena: no tensor ever exists twice. */
import { REGION_ARENA } from "../../../kernels/layout.ts";
import {
  convert,
  type EncodableDtype,
  type EncodableDtypeName,
  type FileDtype,
  type FileDtypeName,
  fileDtypes,
  type PackedDtypeName,
  packedDtypes,
} from "../../engine/dtypes/index.ts";
import type { DtypeName } from "../../engine/graph/graph.ts";
import type { Engine } from "../../engine/host/engine.ts";
import type { Placement } from "../../engine/plan/program.ts";
import { InputError } from "../../errors.ts";
import type { Gguf, TensorInfo } from "../files/gguf.ts";
import type { ModelConfig, WeightSpec } from "./config.ts";
import { familyOf, modelWeights } from "./family.ts";
import { fillRotary } from "./rotary.ts";

/** Rows of a packed unit. */
const UNIT = 16;
/** Bytes that a program's arena needs at least, so that a group of rows fits. */
export const STAGING_BYTES = 1 << 20;

/** How the weights of a model stand in memory: as the file has them, or encoded anew. */
export type WeightType = "file" | EncodableDtypeName;

/**
 * Dtype in memory of each weight. Norms are f32; a matrix whose rows are not whole blocks of the wanted type stays f32. Types that
 * kernels do not compute from become their native one.
 */
export function weightDtypes(gguf: Gguf, type: WeightType): (spec: WeightSpec) => DtypeName {
  return (spec) => {
    if (spec.role === "norm") return "f32";
    const wanted = fileDtypes[type === "file" ? (fileTypeOf(gguf, spec).native as FileDtypeName) : type];
    const whole = spec.shape[1] % wanted.blockSize === 0;
    return (whole ? wanted.packed : fileDtypes.f32.packed) as DtypeName;
  };
}

/** Fills rotary tables and weights; parameters of a full training are f32 and row-major. */
export async function loadWeights(engine: Engine, config: ModelConfig, gguf: Gguf): Promise<void> {
  fillRotary(engine, config);
  const buffers = new RowBuffers();
  for (const spec of modelWeights(config)) {
    const tensor = gguf.tensors.get(spec.tensor)!;
    const place = engine.place(spec.name);
    if (place.value.dtype === "f32") await loadRows(engine, gguf, spec, config);
    else await packRows(engine, gguf, tensor, spec, config, place, buffers);
  }
}

/** Memory for the rows at hand, used again for the next: garbage as long as the model would count as resident memory. */
class RowBuffers {
  readonly #buffers = { read: new Uint8Array(0), ordered: new Uint8Array(0) };

  of(use: "read" | "ordered", bytes: number): Uint8Array {
    if (this.#buffers[use].length < bytes) this.#buffers[use] = new Uint8Array(bytes);
    return this.#buffers[use].subarray(0, bytes);
  }
}

/**
 * Rows [first, first + rows) of a weight in Hugging Face order, as the file's bytes, valid until the next call with these buffers; what
 * is not finite is refused.
 */
async function rowsOf(
  gguf: Gguf,
  tensor: TensorInfo,
  spec: WeightSpec,
  config: ModelConfig,
  first: number,
  rows: number,
  buffers: RowBuffers,
) {
  const fileRow = familyOf(config).fileRow(spec, config);
  const bytes = fileRow
    ? await reordered(gguf, tensor, fileRow, config.headSize, first, rows, buffers)
    : await gguf.readRows(tensor, first, rows, buffers.of("read", rows * tensor.rowBytes));
  const { type } = tensor;
  const bad = type.firstNotFinite(bytes);
  if (bad < 0) return bytes;
  const row = first + Math.floor((bad * type.blockSize) / tensor.columns);
  const what = type.blockSize > 1 ? "its scale is" : "it has values that are";
  throw new InputError(
    `${config.architecture}: ${gguf.source.name}: tensor "${tensor.name}" (${type.ggufName}), row ${fileRow?.(row) ?? row}: ${what} not finite; download or convert the model again`,
  );
}

/** Rows whose order within a head is another in the file: whole heads are read, and those rows of them are taken. */
async function reordered(
  gguf: Gguf,
  tensor: TensorInfo,
  fileRow: (row: number) => number,
  head: number,
  first: number,
  rows: number,
  buffers: RowBuffers,
) {
  const { rowBytes } = tensor;
  const begin = first - (first % head);
  const end = Math.ceil((first + rows) / head) * head;
  const into = buffers.of("read", (end - begin) * rowBytes);
  const heads = await gguf.readRows(tensor, begin, end - begin, into);
  const bytes = buffers.of("ordered", rows * rowBytes);
  for (let row = first; row < first + rows; row++) {
    const from = (fileRow(row) - begin) * rowBytes;
    bytes.set(heads.subarray(from, from + rowBytes), (row - first) * rowBytes);
  }
  return bytes;
}

/** The values of a weight in Hugging Face order, some rows at a time. */
export async function* decodedRows(
  gguf: Gguf,
  spec: WeightSpec,
  config: ModelConfig,
): AsyncGenerator<Float32Array, void> {
  const tensor = gguf.tensors.get(spec.tensor)!;
  const group = Math.max(1, Math.floor(STAGING_BYTES / tensor.rowBytes));
  const { decode } = tensor.type;
  const buffers = new RowBuffers();
  for (let first = 0; first < tensor.rows; first += group) {
    const rows = Math.min(group, tensor.rows - first);
    yield decode(await rowsOf(gguf, tensor, spec, config, first, rows, buffers));
  }
}

async function loadRows(engine: Engine, gguf: Gguf, spec: WeightSpec, config: ModelConfig) {
  const target = engine.f32(spec.name);
  let at = 0;
  for await (const values of decodedRows(gguf, spec, config)) {
    target.set(values, at);
    at += values.length;
  }
}

async function packRows(
  engine: Engine,
  gguf: Gguf,
  tensor: TensorInfo,
  spec: WeightSpec,
  config: ModelConfig,
  place: Placement,
  buffers: RowBuffers,
) {
  const { rows: n, columns: k } = tensor;
  const packed = place.value.dtype as PackedDtypeName;
  // What weightDtypes has chosen: a type to encode in, or the native one of the file's.
  const wanted = Object.values(fileDtypes).find(
    (dtype) => dtype.packed === packed && dtype.native === dtype.name,
  ) as EncodableDtype;
  const from = tensor.type;
  const packedRow = packedDtypes[packed].packedBytes(UNIT, k) / UNIT;
  const widest = Math.max(tensor.rowBytes, (k / wanted.blockSize) * wanted.bytesPerBlock);
  const group = UNIT * Math.max(1, Math.floor(STAGING_BYTES / widest / UNIT));
  const staging = engine.program.regions[REGION_ARENA].offset;
  for (let first = 0; first < n; first += group) {
    const rows = Math.min(group, n - first);
    const encoded = convert(from, wanted, await rowsOf(gguf, tensor, spec, config, first, rows, buffers));
    engine.bytes(staging, encoded.length).set(encoded);
    await engine.call(`pack_${packed}`, [staging, place.offset + first * packedRow, rows, k]);
  }
}

function fileTypeOf(gguf: Gguf, spec: WeightSpec): FileDtype {
  return gguf.tensors.get(spec.tensor)!.type;
}
