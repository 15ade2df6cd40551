/** A model file in another type: round to nearest, a group of rows at a time. */
import type { EncodableDtype, FileDtype } from "../../engine/dtypes/index.ts";
import { fileDtypes } from "../../engine/dtypes/index.ts";
import type { TensorInfo } from "../files/gguf.ts";
import { type TensorToWrite, writeGguf } from "../files/gguf_write.ts";
import type { MetadataValue } from "../files/metadata.ts";
import type { ModelFile } from "../model_file.ts";

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
  readonly signal?: AbortSignal;
  /** Called with the parameters done so far. */
  onProgress?(parameters: number): void;
}

/** Values that are decoded at once. */
const GROUP = 1 << 20;

/** `general.file_type` of llama.cpp. */
const FILE_TYPES: Readonly<Record<string, number>> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 7 };

/**
 * Writes `out` with every matrix in `type`; vectors, and matrices whose rows are not whole blocks, keep the type they have. Metadata and
 * tokenizer are kept. The file appears whole or not at all.
 */
export async function quantizeFile(
  { gguf }: ModelFile,
  out: string,
  type: EncodableDtype,
  { signal, onProgress }: QuantizeOptions = {},
): Promise<QuantizedTensor[]> {
  const results: QuantizedTensor[] = [];
  let done = 0;
  const tensors = [...gguf.tensors.values()].map((tensor): TensorToWrite => {
    const chosen = typeFor(tensor, type);
    const to = chosen.to ?? tensor.type;
    const { reason } = chosen;
    return {
      name: tensor.name,
      shape: tensor.shape,
      type: to,
      async *data() {
        const error = new RelativeError();
        const group = Math.max(1, Math.floor(GROUP / tensor.columns));
        for (let first = 0; first < tensor.rows; first += group) {
          signal?.throwIfAborted();
          const rows = Math.min(group, tensor.rows - first);
          const bytes = await gguf.readRows(tensor, first, rows);
          yield chosen.to === undefined || to === tensor.type
            ? bytes
            : error.measured(tensor.type.decode(bytes), chosen.to);
          done += rows * tensor.columns;
          onProgress?.(done);
        }
        results.push(resultOf(tensor, to, reason, error.value));
      },
    };
  });
  await writeGguf(out, metadataFor(gguf.metadata.entries, type), tensors);
  return results;
}

function typeFor(tensor: TensorInfo, type: EncodableDtype): { to?: EncodableDtype; reason: string } {
  if (tensor.shape.length < 2) return { reason: "vectors are kept" };
  if (tensor.columns % type.blockSize === 0) return { to: type, reason: "" };
  return { reason: `rows of ${tensor.columns} are no whole blocks of ${type.blockSize}` };
}

function resultOf(tensor: TensorInfo, to: FileDtype, reason: string, error: number): QuantizedTensor {
  const parameters = tensor.rows * tensor.columns;
  const toBytes = (parameters / to.blockSize) * to.bytesPerBlock;
  const { name, type: from, bytes: fromBytes } = tensor;
  return { name, from, to, parameters, fromBytes, toBytes, error, reason };
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

function* metadataFor(
  entries: ReadonlyMap<string, MetadataValue>,
  type: FileDtype,
): Generator<readonly [string, MetadataValue]> {
  const own = ["general.file_type", "general.quantization_version"];
  for (const [key, value] of entries) if (!own.includes(key)) yield [key, value];
  yield [own[0], { type: "uint32", value: FILE_TYPES[type.ggufName] }];
  if (type !== fileDtypes.f32 && type !== fileDtypes.f16) yield [own[1], { type: "uint32", value: 2 }];
}
