/** A model file in another type, a group of rows at a time. */
import { bytesOf, type EncodableDtype, type FileDtype } from "../../engine/dtypes/index.ts";
import { InputError } from "../../errors.ts";
import type { TensorInfo } from "../files/gguf.ts";
import { type TensorToWrite, writeGguf } from "../files/gguf_write.ts";
import type { MetadataValue } from "../files/metadata.ts";
import type { ModelFile } from "../model_file.ts";
import { typeOf } from "./mix.ts";

/** What became of a tensor. */
export interface QuantizedTensor {
  readonly name: string;
  readonly from: FileDtype;
  readonly to: FileDtype;
  readonly parameters: number;
  readonly fromBytes: number;
  readonly toBytes: number;
  /** √(Σ(w−ŵ)² / Σw²) of what the file held; 0 where nothing was encoded anew. */
  readonly error: number;
  /** Why it is not of the wanted type; empty where it is. */
  readonly reason: string;
}

export interface QuantizeOptions {
  /** The head too in the wanted type (mix.ts). */
  readonly pure?: boolean;
  readonly signal?: AbortSignal;
  /** Called with the parameters done so far. */
  onProgress?(parameters: number): void;
}

/** Values that are decoded at once. */
const GROUP = 1 << 20;

/** `general.file_type` of llama.cpp (llama.h, enum llama_ftype); K-quants without a mix of their own are its "S". */
const FILE_TYPES: Readonly<Record<string, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  Q4_K: 14,
  Q5_K: 16,
  Q6_K: 18,
  BF16: 32,
};
/** `general.quantization_version`: that of every block format since 2023. */
const QUANTIZATION_VERSION = 2;

/**
 * Writes `out` with the matrices in `type`, or what mix.ts says instead. Metadata and tokenizer are kept. The file appears whole or not at
 * all. An InputError names tensor and row where a value or scale is not finite, or too large for the type.
 */
export async function quantizeFile(
  { gguf, path }: ModelFile,
  out: string,
  type: EncodableDtype,
  { pure = false, signal, onProgress }: QuantizeOptions = {},
): Promise<QuantizedTensor[]> {
  const results: QuantizedTensor[] = [];
  let done = 0;
  const tensors = [...gguf.tensors.values()].map((tensor): TensorToWrite => {
    const { to, reason } = typeOf(gguf, tensor, type, pure);
    const written = to ?? tensor.type;
    return {
      name: tensor.name,
      shape: tensor.shape,
      type: written,
      async *data() {
        const error = new RelativeError();
        const group = Math.max(1, Math.floor(GROUP / tensor.columns));
        for (let first = 0; first < tensor.rows; first += group) {
          signal?.throwIfAborted();
          const rows = Math.min(group, tensor.rows - first);
          const bytes = await gguf.readRows(tensor, first, rows);
          requireFinite(path, tensor, tensor.type, bytes, first, "holds NaN or an infinite number");
          if (to === undefined || to === tensor.type) yield bytes;
          else {
            const encoded = error.measured(tensor.type.decode(bytes), to);
            requireFinite(path, tensor, to, encoded, first, `is beyond ${to.ggufName}: halves end at 65504`);
            yield encoded;
          }
          done += rows * tensor.columns;
          onProgress?.(done);
        }
        results.push(resultOf(tensor, written, reason, error.value));
      },
    };
  });
  await writeGguf(out, metadataFor(gguf.metadata.entries, type), tensors);
  return results;
}

/** Refuses rows, from row `first`, with a value or scale in `type` that is not finite. */
function requireFinite(
  path: string,
  { name, columns }: TensorInfo,
  type: FileDtype,
  rows: Uint8Array,
  first: number,
  problem: string,
): void {
  const block = type.firstNotFinite(rows);
  if (block < 0) return;
  const row = first + Math.floor((block * type.blockSize) / columns);
  throw new InputError(`quantize: ${path}: tensor ${JSON.stringify(name)}, row ${row} ${problem}`);
}

function resultOf(tensor: TensorInfo, to: FileDtype, reason: string, error: number): QuantizedTensor {
  const { name, type: from, bytes: fromBytes } = tensor;
  const parameters = tensor.rows * tensor.columns;
  return { name, from, to, parameters, fromBytes, toBytes: bytesOf(to, parameters), error, reason };
}

class RelativeError {
  private squares = 0;
  private differences = 0;

  /** The values in `type`. */
  measured(values: Float32Array, type: EncodableDtype): Uint8Array {
    const bytes = type.encode(values);
    const decoded = type.decode(bytes);
    for (let i = 0; i < values.length; i++) {
      this.squares += values[i] ** 2;
      this.differences += (values[i] - decoded[i]) ** 2;
    }
    return bytes;
  }

  get value(): number {
    return this.squares ? Math.sqrt(this.differences / this.squares) : 0;
  }
}

/** Every entry where it was, but what says which type the file is of. */
function metadataFor(
  entries: ReadonlyMap<string, MetadataValue>,
  type: EncodableDtype,
): Map<string, MetadataValue> {
  const metadata = new Map(entries);
  metadata.set("general.file_type", { type: "uint32", value: FILE_TYPES[type.ggufName] });
  if (type.blockSize > 1)
    metadata.set("general.quantization_version", { type: "uint32", value: QUANTIZATION_VERSION });
  return metadata;
}
