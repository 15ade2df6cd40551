import { type FileDtype, viewOf } from "../dtype.ts";

/**
 * ```
 * f32   one value, 4 bytes, little-endian
 * ```
 */
export const f32: FileDtype = {
  name: "f32",
  ggufId: 0,
  ggufName: "F32",
  blockSize: 1,
  bytesPerBlock: 4,
  packed: "f32_r16",
  encode(values) {
    const bytes = new Uint8Array(values.length * 4);
    const view = viewOf(bytes);
    values.forEach((value, i) => {
      view.setFloat32(4 * i, value, true);
    });
    return bytes;
  },
  decode(bytes) {
    const view = viewOf(bytes);
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  },
};
