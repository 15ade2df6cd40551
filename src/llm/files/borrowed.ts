/**
 * Memory for a while. A resizable buffer has pages of its own, which go back to the system when it is resized to nothing: that of others waits
 * for the garbage collector, and stays with the allocator even then.
 */
export function borrow(bytes: number): ArrayBuffer {
  return new ArrayBuffer(bytes, { maxByteLength: bytes });
}

/** Gives borrowed memory back; the arrays are empty afterwards. Others stay as they are. */
export function giveBack(...arrays: readonly ArrayBufferView[]): void {
  for (const { buffer } of arrays) if (buffer instanceof ArrayBuffer && buffer.resizable) buffer.resize(0);
}
