/**
 * ```
 * 12 bytes of q4_k and q5_k, eight scales and eight minimums of 6 bits:
 *   byte s      (0–3)   bits 0–5: scale s,  bits 6–7: upper bits of scale s + 4
 *   byte 4 + s          bits 0–5: min s,    bits 6–7: upper bits of min s + 4
 *   byte 8 + s          low nibble: lower bits of scale s + 4, high nibble: of min s + 4
 * ```
 */
export function scaleOf(bytes: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return bytes[at + sub]! & 63;
  return (bytes[at + 4 + sub]! & 15) | ((bytes[at + sub - 4]! >> 6) << 4);
}

/** Minimum of a sub-block, 0 to 63; 12 bytes at `at` as above. */
export function minOf(bytes: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return bytes[at + 4 + sub]! & 63;
  return (bytes[at + 4 + sub]! >> 4) | ((bytes[at + sub]! >> 6) << 4);
}

/** The inverse of scaleOf and minOf. */
export function writeScales(scales: Uint8Array, mins: Uint8Array, bytes: Uint8Array, at: number): void {
  for (let s = 0; s < 4; s++) {
    bytes[at + s] = scales[s]! | ((scales[s + 4]! >> 4) << 6);
    bytes[at + 4 + s] = mins[s]! | ((mins[s + 4]! >> 4) << 6);
    bytes[at + 8 + s] = (scales[s + 4]! & 15) | ((mins[s + 4]! & 15) << 4);
  }
}
