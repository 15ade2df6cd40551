/** Memory comes in pages of 64 KiB. */
export const PAGE_BYTES = 65536;
/** 4 GiB − 64 KiB: no address wraps. */
export const MEMORY_MAX = 2 ** 32 - PAGE_BYTES;

/** Pages that hold so many bytes. */
export function pages(bytes: number): number {
  if (!Number.isSafeInteger(bytes) || bytes < 1 || bytes > MEMORY_MAX) {
    throw new RangeError(`host: memory of ${bytes} bytes; it must be 1 … ${MEMORY_MAX}`);
  }
  return Math.ceil(bytes / PAGE_BYTES);
}
