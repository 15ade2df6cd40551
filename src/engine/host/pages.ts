import { MEMORY_MAX, PAGE_BYTES } from "../plan/memory.ts";

/** Pages that hold so many bytes. */
export function pages(bytes: number): number {
  if (!Number.isSafeInteger(bytes) || bytes < 1 || bytes > MEMORY_MAX) {
    throw new RangeError(`host: memory of ${bytes} bytes; it must be 1 … ${MEMORY_MAX}`);
  }
  return Math.ceil(bytes / PAGE_BYTES);
}
