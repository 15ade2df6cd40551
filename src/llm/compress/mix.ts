/** Which type each tensor of a quantized file gets, and why where that is not the wanted one. */
import { type EncodableDtype, encodableDtypes } from "../../engine/dtypes/index.ts";
import type { Gguf, TensorInfo } from "../files/gguf.ts";

export interface Choice {
  /** Undefined: the tensor is copied as it is. */
  readonly to?: EncodableDtype;
  /** Empty where it is the wanted type. */
  readonly reason: string;
}

/** What rows that are no whole blocks of 256 become: the type with blocks of 32 that has more bits (as in llama.cpp). */
const SHORT_ROWS: Readonly<Record<string, EncodableDtype>> = {
  q4_k: encodableDtypes.q5_0,
  q5_k: encodableDtypes.q5_1,
  q6_k: encodableDtypes.q8_0,
};

/** Types of more bits than this leave the head as it is. */
const HEAD_BITS = 6;

/**
 * Every matrix in `type`, but the head (the embedding, where the model has no other) in Q6_K if that type has at most 6 bits a value, since
 * its errors reach the logits directly; `pure` leaves that out. Rows that are no whole blocks of 256 take the next larger type with blocks
 * of 32. Vectors, and matrices whose rows no type divides, are copied.
 */
export function typeOf(gguf: Gguf, tensor: TensorInfo, type: EncodableDtype, pure: boolean): Choice {
  if (tensor.shape.length < 2) return { reason: "vectors are kept" };
  if (pure || tensor.name !== headOf(gguf) || bitsOf(type) > HEAD_BITS)
    return divided(tensor.columns, type, "");
  const { q6_k } = encodableDtypes;
  return divided(tensor.columns, q6_k, "the head gets 6 bits");
}

function divided(columns: number, wanted: EncodableDtype, reason: string): Choice {
  if (columns % wanted.blockSize === 0) return { to: wanted, reason };
  const short = `rows of ${columns} are no whole blocks of ${wanted.blockSize}`;
  const next = SHORT_ROWS[wanted.name];
  const why = reason ? `${reason}; ${short}` : short;
  return next ? divided(columns, next, why) : { reason: why };
}

function headOf({ tensors }: Gguf): string {
  return tensors.has("output.weight") ? "output.weight" : "token_embd.weight";
}

function bitsOf({ bytesPerBlock, blockSize }: EncodableDtype): number {
  return (8 * bytesPerBlock) / blockSize;
}
