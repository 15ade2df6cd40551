/** Hash tables of the vocabulary section. */
import {
  MERGE_BYTES,
  NO_TOKEN,
  RECORD_BYTES,
  RECORD_TEXT,
  RECORD_TEXT_BYTES,
  RECORD_TYPE,
  TYPE_USER_DEFINED,
  V_LENGTHS,
  V_LONGEST,
  V_MERGES,
  V_MERGES_MASK,
  V_PIECES,
  V_PIECES_MASK,
  V_RECORDS,
  V_SPECIALS,
  V_SPECIALS_MASK,
} from "./vocabulary";

/** FNV-1a with a last mix, so that the low bits depend on every byte. src/llm/tokenizer/hash.ts computes the same. */
function hash_bytes(text: usize, bytes: usize): u32 {
  let hash = HASH_OF_NOTHING;
  for (let i: usize = 0; i < bytes; i++) hash = with_byte(hash, load<u8>(text + i));
  return mixed(hash);
}

const HASH_OF_NOTHING: u32 = 0x811c9dc5;

// @ts-ignore: decorator
@inline
function with_byte(hash: u32, byte: u32): u32 {
  return (hash ^ byte) * 0x01000193;
}

// @ts-ignore: decorator
@inline
function mixed(hash: u32): u32 {
  return hash ^ (hash >> 15);
}

function hash_pair(left: u32, right: u32): u32 {
  const hash = (left * 0x9e3779b1) ^ (right * 0x85ebca77);
  return hash ^ (hash >> 15);
}

/** The token in the table at `slots` whose text is these bytes, which have this hash. */
function find(tables: usize, slots: usize, mask: u32, hash: u32, text: usize, bytes: usize): u32 {
  const records = tables + <usize>load<u32>(tables, V_RECORDS);
  let slot = hash & mask;
  let entry = load<u32>(slots + (<usize>slot << 2));
  while (entry != 0) {
    const record = records + <usize>(entry - 1) * RECORD_BYTES;
    const same = load<u32>(record, RECORD_TEXT_BYTES) == <u32>bytes;
    if (same && memory.compare(tables + <usize>load<u32>(record, RECORD_TEXT), text, bytes) == 0) break;
    slot = (slot + 1) & mask;
    entry = load<u32>(slots + (<usize>slot << 2));
  }
  return entry - 1; // 0, a free slot, becomes NO_TOKEN
}

/** The piece with these bytes. */
export function piece(tables: usize, text: usize, bytes: usize): u32 {
  if (bytes > <usize>load<u32>(tables, V_LONGEST)) return NO_TOKEN;
  const slots = tables + <usize>load<u32>(tables, V_PIECES);
  return find(tables, slots, load<u32>(tables, V_PIECES_MASK), hash_bytes(text, bytes), text, bytes);
}

/** The longest piece that these bytes begin with; one pass, because the hash of a prefix goes on to the next. */
export function longest_piece(tables: usize, text: usize, bytes: usize): u32 {
  const slots = tables + <usize>load<u32>(tables, V_PIECES);
  const mask = load<u32>(tables, V_PIECES_MASK);
  const limit = min(bytes, <usize>load<u32>(tables, V_LONGEST));
  let hash = HASH_OF_NOTHING;
  let found = NO_TOKEN;
  for (let length: usize = 1; length <= limit; length++) {
    hash = with_byte(hash, load<u8>(text + length - 1));
    const token = find(tables, slots, mask, mixed(hash), text, length);
    if (token != NO_TOKEN) found = token;
  }
  return found;
}

/** Bytes of a token's text. */
export function text_bytes(tables: usize, token: u32): usize {
  const records = tables + <usize>load<u32>(tables, V_RECORDS);
  return <usize>load<u32>(records + <usize>token * RECORD_BYTES, RECORD_TEXT_BYTES);
}

/** The longest special token that starts at `at`; control tokens and their like only if `control`. */
export function special_at(tables: usize, at: usize, end: usize, control: bool): u32 {
  const offset = load<u32>(tables + <usize>load<u32>(tables, V_LENGTHS) + (<usize>load<u8>(at) << 2));
  if (offset == 0) return NO_TOKEN;
  const list = tables + <usize>offset;
  const slots = tables + <usize>load<u32>(tables, V_SPECIALS);
  const mask = load<u32>(tables, V_SPECIALS_MASK);
  const records = tables + <usize>load<u32>(tables, V_RECORDS);
  const lengths = load<u32>(list);
  for (let i: u32 = 1; i <= lengths; i++) {
    const bytes = <usize>load<u32>(list + (<usize>i << 2));
    if (at + bytes > end) continue;
    const token = find(tables, slots, mask, hash_bytes(at, bytes), at, bytes);
    if (token == NO_TOKEN) continue;
    if (control || load<u32>(records + <usize>token * RECORD_BYTES, RECORD_TYPE) == TYPE_USER_DEFINED) return token;
  }
  return NO_TOKEN;
}

/** Address of the entry {left, right, rank, merged} of a pair; 0 where the pair does not merge. */
export function merge_of(tables: usize, left: u32, right: u32): usize {
  const slots = tables + <usize>load<u32>(tables, V_MERGES);
  const mask = load<u32>(tables, V_MERGES_MASK);
  let slot = hash_pair(left, right) & mask;
  let entry = slots + <usize>slot * MERGE_BYTES;
  while (load<u32>(entry, 12) != NO_TOKEN) {
    if (load<u32>(entry) == left && load<u32>(entry, 4) == right) return entry;
    slot = (slot + 1) & mask;
    entry = slots + <usize>slot * MERGE_BYTES;
  }
  return 0;
}
