/** Characters of UTF-8 text and their classes. */
import { CLASS_BLOCK, CLASS_BLOCKS, CLASS_OTHER, V_CLASSES } from "./vocabulary";

/** Bytes of the character at `at`, at most up to `end`; a byte that begins none counts as one. */
// @ts-ignore: decorator
@inline
export function character_bytes(at: usize, end: usize): usize {
  const first = <u32>load<u8>(at);
  if (first < 0xc0) return 1;
  const bytes: usize = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return min(bytes, end - at);
}

/** The code point of the character of so many bytes; whatever is no UTF-8 gives some number below 2^21. */
export function code_point(at: usize, bytes: usize): u32 {
  const first = <u32>load<u8>(at);
  if (bytes == 1) return first;
  const second = <u32>load<u8>(at, 1) & 63;
  if (bytes == 2) return ((first & 31) << 6) | second;
  const third = <u32>load<u8>(at, 2) & 63;
  if (bytes == 3) return ((first & 15) << 12) | (second << 6) | third;
  return ((first & 7) << 18) | (second << 12) | (third << 6) | (<u32>load<u8>(at, 3) & 63);
}

/** Address of the table of classes. */
// @ts-ignore: decorator
@inline
export function classes_of(tables: usize): usize {
  return tables + <usize>load<u32>(tables, V_CLASSES);
}

/** Class of the character at `at`; CLASS_OTHER for what is no UTF-8. */
export function class_at(classes: usize, at: usize, end: usize): u32 {
  const first = <u32>load<u8>(at);
  const bytes = character_bytes(at, end);
  if (bytes == 1 && first > 0x7f) return CLASS_OTHER;
  const point = code_point(at, bytes);
  if (point > 0x10ffff) return CLASS_OTHER;
  const row = <usize>load<u8>(classes + <usize>(point >> 8));
  return <u32>load<u8>(classes + CLASS_BLOCKS + row * CLASS_BLOCK + <usize>(point & 255));
}
