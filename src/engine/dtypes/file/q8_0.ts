import { type FileDtype, viewOf } from "../dtype.ts";
import { f16ToF32, f32ToF16 } from "../half.ts";

const { fround } = Math;

/**
 * ```
 * q8_0   32 values, 34 bytes:  f16 scale │ 32 × int8        value = scale · int8
 * ```
 * scale = absmax/127; rounding half away from zero, by 1/scale before the scale becomes f16 (as ggml's reference).
 */
export const q8_0: FileDtype = {
  name: "q8_0",
  ggufId: 8,
  ggufName: "Q8_0",
  blockSize: 32,
  bytesPerBlock: 34,
  packed: "q8_0_r8",
  encode(values) {
    const blocks = values.length / 32;
    const bytes = new Uint8Array(blocks * 34);
    const view = viewOf(bytes);
    for (let b = 0; b < blocks; b++) {
      const block = values.subarray(32 * b, 32 * b + 32);
      const scale = fround(block.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / 127);
      const inverse = scale === 0 ? 0 : fround(1 / scale);
      view.setUint16(34 * b, f32ToF16(scale), true);
      block.forEach((value, i) => {
        view.setInt8(34 * b + 2 + i, roundHalfAway(fround(value * inverse)));
      });
    }
    return bytes;
  },
  decode(bytes) {
    const view = viewOf(bytes);
    const values = new Float32Array((bytes.length / 34) * 32);
    for (let i = 0; i < values.length; i++) {
      const block = 34 * (i >> 5);
      values[i] = f16ToF32(view.getUint16(block, true)) * view.getInt8(block + 2 + (i & 31));
    }
    return values;
  },
};

function roundHalfAway(value: number): number {
  return value < 0 ? -Math.floor(0.5 - value) : Math.floor(value + 0.5);
}
