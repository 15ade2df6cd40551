import { cos, pow, sin } from "../../engine/math.ts";

/** The rotary table (context, d): for every position the cosines, then the sines, of position · base^(−2i/d), i < d/2. */
export function rotaryTable(context: number, d: number, base: number): Float32Array {
  const table = new Float32Array(context * d);
  const half = d / 2;
  for (let i = 0; i < half; i++) {
    const frequency = pow(base, (-2 * i) / d);
    for (let position = 0; position < context; position++) {
      table[position * d + i] = cos(position * frequency);
      table[position * d + half + i] = sin(position * frequency);
    }
  }
  return table;
}
