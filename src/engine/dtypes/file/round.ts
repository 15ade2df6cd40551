/** What the encoders of 4 and 5 bits without sub-blocks have in common; every operation rounds to f32, as in the reference. */
const { abs, fround, min } = Math;

/** The value of largest magnitude of the 32 from `first`; the first one where several are. */
export function largestOf(values: Float32Array, first: number): number {
  let largest = values[first]!;
  for (let i = first + 1; i < first + 32; i++) if (abs(values[i]!) > abs(largest)) largest = values[i]!;
  return largest;
}

/** Least and greatest of the 32 values from `first`; of zeros of both signs the first one, as in ggml (numpy takes either). */
export function rangeOf(values: Float32Array, first: number): readonly [least: number, greatest: number] {
  let [least, greatest] = [values[first]!, values[first]!];
  for (let i = first + 1; i < first + 32; i++) {
    if (values[i]! < least) least = values[i]!;
    if (values[i]! > greatest) greatest = values[i]!;
  }
  return [least, greatest];
}

/** 1/scale; 0 for a scale of 0, infinite for one so small that f32 has no inverse of it. */
export function inverseOf(scale: number): number {
  return scale === 0 ? 0 : fround(1 / scale);
}

/** Cut to a byte as in C, then to `most`: where the inverse is infinite (the scale is then 0 as a half) the cast gives 0. */
export function byteOf(value: number, most: number): number {
  return min(most, value & 255);
}
