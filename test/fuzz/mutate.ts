/** Changes to a header: of what it says, with counts, lengths and offsets made right again, and of its bytes as they are. */

import { random } from "../../src/engine/random.ts";
import {
  type MetadataValue,
  type Scalar,
  VALUE_TYPES,
  type ValueType,
} from "../../src/llm/files/metadata.ts";
import { type Draft, type DraftTensor, type Encoded, encodeDraft, whole } from "./draft.ts";

/** Numbers that depend on the seed and the case, and on how many were drawn. */
export class Draws {
  readonly #seed: number;
  readonly #index: number;
  #drawn = 0;

  constructor(seed: number, index: number) {
    this.#seed = seed;
    this.#index = index;
  }

  /** A whole number below `count`. */
  below(count: number): number {
    return random(this.#seed, this.#index, this.#drawn++) % count;
  }

  of<T>(list: ArrayLike<T>): T {
    return list[this.below(list.length)];
  }
}

/** At the edges of every width, of safe integers, and of what models have. */
export const EXTREMES: readonly bigint[] = [
  0n,
  1n,
  -1n,
  2n,
  3n,
  31n,
  33n,
  255n,
  2n ** 16n,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const REALS = [0, -1, 1, 1e-30, 1e30, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
const TEXTS = [
  "",
  " ",
  "llama",
  "gemma3",
  "bert",
  "gpt2",
  "qwen2",
  "smollm",
  "default",
  "none",
  "__proto__",
  "constructor",
  "a b",
  "a a",
  "▁▁",
  "<0xZZ>",
  "\u0000",
  "\u{1f999}",
  "ä",
  "a".repeat(70_000),
];
const VERSIONS = [0, 1, 2, 3, 4, 0x03000000, 0x01000000, 0xffffffff];

/** One case: its seed's header, changed, and the length of the file that it seems to begin. */
export function mutated(seed: Draft, draws: Draws): Encoded {
  const way = draws.below(10);
  const draft = way < 8 ? changed(seed, draws) : seed;
  const encoded = encodeDraft(draft);
  return way >= 6 ? disturbed(encoded, draws) : encoded;
}

function changed(seed: Draft, draws: Draws): Draft {
  const draft: Draft = {
    ...seed,
    pairs: [...seed.pairs],
    tensors: seed.tensors.map((tensor) => ({ ...tensor })),
  };
  for (let count = 1 + draws.below(3); count > 0; count--) {
    const what = draws.below(16);
    if (what === 0) draft.version = draws.of(VERSIONS);
    else if (what === 1) draft.version = 2;
    else if (what < 10 || draft.tensors.length === 0) changePair(draft.pairs, draws);
    else changeTensor(draft.tensors, draws);
  }
  return draft;
}

function changePair(pairs: Draft["pairs"], draws: Draws): void {
  if (pairs.length === 0) return;
  const at = draws.below(pairs.length);
  const [key, value] = pairs[at];
  const what = draws.below(12);
  if (what === 0) pairs.splice(at, 1);
  else if (what === 1) pairs.splice(draws.below(pairs.length), 0, pairs[at]);
  else if (what === 2) pairs[at] = [draws.of([`${key}x`, key.slice(1), draws.of(TEXTS)]), value];
  else if (what === 3) pairs[at] = [key, draws.of(pairs)[1]];
  else if (what === 4) pairs[at] = [key, retyped(value, draws)];
  else pairs[at] = [key, revalued(value, draws)];
}

/** The same under another type; values that it cannot hold become what their bits are. */
function retyped(value: MetadataValue, draws: Draws): MetadataValue {
  const type = draws.of(VALUE_TYPES);
  if (type === "array")
    return { type, of: value.type, value: value.type === "array" ? [value] : [value.value] } as MetadataValue;
  const first = value.type === "array" ? (value.value[0] as Scalar) : value.value;
  return { type, value: typeof first === "object" ? 0 : first };
}

function revalued(value: MetadataValue, draws: Draws): MetadataValue {
  if (value.type !== "array") return { type: value.type, value: scalar(value.type, value.value, draws) };
  const list = Array.from(value.value as ArrayLike<Scalar>);
  if (list.length === 0) return value;
  const [at, other] = [draws.below(list.length), draws.below(list.length)];
  const what = draws.below(8);
  if (what === 0) list.length = at;
  else if (what === 1) list.push(...list.slice(at, at + 5));
  else if (what === 2) list.splice(at, 1);
  else if (what === 3) [list[at], list[other]] = [list[other], list[at]];
  else if (what === 4) list[at] = list[other];
  else if (what === 5 && typeof list[at] === "string")
    list[at] = `${list[other]}${draws.of(["", " "])}${list[at]}`;
  else if (value.of !== "array") list[at] = scalar(value.of, list[at], draws);
  return { type: "array", of: value.of, value: list };
}

function scalar(type: ValueType, before: Scalar, draws: Draws): Scalar {
  if (type === "string") {
    const text = String(before);
    return draws.of([text.slice(1), `${text}a`, text.toUpperCase(), draws.of(TEXTS)]);
  }
  if (type === "bool") return !before;
  if (type === "float32" || type === "float64") return draws.of(REALS);
  const number = whole(before);
  return draws.of([number + 1n, number - 1n, number * 2n, number / 2n, draws.of(EXTREMES)]);
}

function changeTensor(tensors: DraftTensor[], draws: Draws): void {
  const at = draws.below(tensors.length);
  const tensor = tensors[at];
  const size = draws.below(tensor.sizes.length || 1);
  const before = tensor.sizes[size] ?? 1n;
  const what = draws.below(12);
  const set = (value: bigint) => {
    tensor.sizes = tensor.sizes.with(size, value);
  };
  if (what === 0) tensors.splice(at, 1);
  else if (what === 1) tensors.splice(draws.below(tensors.length), 0, { ...tensor });
  else if (what === 2) tensor.name = draws.of([`${tensor.name}s`, tensor.name.slice(1), draws.of(TEXTS)]);
  else if (what === 3) tensor.sizes = tensor.sizes.toReversed();
  else if (what === 4) tensor.sizes = [...tensor.sizes, draws.of([1n, 1n, 2n, draws.of(EXTREMES)])];
  else if (what === 5) tensor.type = draws.below(48);
  else if (what === 6) tensor.offset = draws.of([0n, 8n, 32n, before, draws.of(EXTREMES)]);
  else if (what === 7) tensors.reverse();
  else if (what === 8) set(draws.of(EXTREMES));
  else if (what === 9) tensor.type = draws.of([0, 1, 2, 8, 30]);
  else set(draws.of([before + 1n, before - 1n, before * 2n, before / 2n, before + 32n, before * 4096n]));
}

/** Up to three fields set, bytes flipped, put in or cut out; nothing is made right. */
function disturbed({ bytes, fields, size }: Encoded, draws: Draws): Encoded {
  let changed: Uint8Array = new Uint8Array(bytes);
  for (let count = 1 + draws.below(3); count > 0; count--) {
    const what = draws.below(8);
    const at = draws.below(changed.length || 1);
    if (what < 4) {
      const field = draws.of(fields);
      const value = BigInt.asUintN(64, draws.of(EXTREMES));
      for (let i = 0; i < field.bytes && field.at + i < changed.length; i++)
        changed[field.at + i] = Number((value >> BigInt(8 * i)) & 255n);
    } else if (what < 6) changed[at] = draws.below(256);
    else {
      // Cut out, or twice.
      const length = 1 + draws.below(40);
      const rest = changed.subarray(Math.min(changed.length, what === 6 ? at + length : at));
      changed = Buffer.concat([changed.subarray(0, what === 6 ? at : at + length), rest]);
    }
  }
  const cut = draws.below(4) === 0 ? draws.below(size + 1) : size;
  return { bytes: changed.subarray(0, cut), fields, size: cut };
}
