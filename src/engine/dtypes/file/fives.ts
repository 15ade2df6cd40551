/**
 * ```
 * 32 values of 5 bits in 20 bytes (q5_0, q5_1):  u32, bit k: fifth bit of value k │ 16 bytes, low nibbles k 0–15, high nibbles k 16–31
 * ```
 */
export function readFives(bytes: Uint8Array, at: number, q: Uint8Array): void {
  const low = bytes[at]! | (bytes[at + 1]! << 8);
  const high = bytes[at + 2]! | (bytes[at + 3]! << 8);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[at + 4 + i]!;
    q[i] = (byte & 15) | (((low >> i) & 1) << 4);
    q[i + 16] = (byte >> 4) | (((high >> i) & 1) << 4);
  }
}

/** The inverse of readFives. */
export function writeFives(q: Uint8Array, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++) bytes[at + 4 + i] = (q[i]! & 15) | (q[i + 16]! << 4);
  for (let k = 0; k < 32; k++) bytes[at + (k >> 3)]! |= (q[k]! >> 4) << (k & 7);
}
