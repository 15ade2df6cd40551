/**
 * Generation: prompt tokens into the KV cache, then one token after another. One sequence, in cache 0; the host or `generate` loops.
 *
 * A session is a record of words in io, which the host fills once:
 *   plan, first and last instruction of its body, last instruction of its head, rows at once, context,
 *   addresses of token, position, sequence, sequences, output_row, next_token, then the position of the next row,
 *   the adapter and its scale (f32), and up to 16 tokens that end a generation.
 * How tokens are chosen stands in the slots of the control block, 0 where nothing is asked for: seed, temperature,
 * repetition_penalty, top_k, top_p, min_p (sample.ts).
 */
import {
  AT_SLOTS,
  ERROR_POSITION,
  SEQUENCE_ADAPTER,
  SEQUENCE_CACHE,
  SEQUENCE_FIRST_KEY,
  SEQUENCE_FIRST_ROW,
  SEQUENCE_ROWS,
  SEQUENCE_SCALE,
  SESSION_ADAPTER,
  SESSION_BODY_FIRST,
  SESSION_BODY_LAST,
  SESSION_CONTEXT,
  SESSION_END_COUNT,
  SESSION_END_TOKENS,
  SESSION_ENDS_MAX,
  SESSION_HEAD_LAST,
  SESSION_NEXT_TOKEN,
  SESSION_OUTPUT_ROW,
  SESSION_PLAN,
  SESSION_POSITION,
  SESSION_POSITIONS,
  SESSION_ROWS,
  SESSION_SCALE,
  SESSION_SEQUENCE,
  SESSION_SEQUENCES,
  SESSION_TOKENS,
  SLOT_OUTPUTS,
  SLOT_ROWS,
  SLOT_SEQUENCES,
  SLOT_STEP,
  STATUS_DONE,
  STATUS_FAILED,
} from "../layout";
import { clear_error, fail } from "../operands";
import { start } from "../run";

// @ts-ignore: decorator
@inline
function at(session: usize, offset: usize): usize {
  return <usize>load<u32>(session + offset);
}

/**
 * Runs `count` tokens (u32 at `tokens`) through the model after what the cache holds, in chunks of at most the session's rows. Afterwards
 * next_token holds the token that follows. Returns a STATUS; fails where the context is full.
 */
export function feed(session: usize, tokens: usize, count: u32): i32 {
  clear_error();
  const position = load<u32>(session + SESSION_POSITION);
  const context = load<u32>(session + SESSION_CONTEXT);
  if (count > context || position > context - count) {
    fail(0, ERROR_POSITION, -1, <u64>position + count, context);
    return STATUS_FAILED;
  }
  for (let done: u32 = 0; done < count; ) {
    const rows = min(count - done, load<u32>(session + SESSION_ROWS));
    const last = done + rows == count;
    write_rows(session, tokens + (<usize>done << 2), rows);
    const end = last ? load<u32>(session + SESSION_HEAD_LAST) : load<u32>(session + SESSION_BODY_LAST);
    const status = start(load<u32>(session + SESSION_PLAN), load<u32>(session + SESSION_BODY_FIRST), end);
    if (status != STATUS_DONE) return status;
    store<u32>(session + SESSION_POSITION, load<u32>(session + SESSION_POSITION) + rows);
    done += rows;
  }
  return STATUS_DONE;
}

/**
 * Up to `limit` tokens after a prompt, written to `out`; stops after `end_token` (NO_TARGET: none) and after each of the
 * session's end tokens, which is then the last one written. Returns how many, or −STATUS.
 */
export function generate(session: usize, prompt: usize, count: u32, out: usize, limit: u32, end_token: u32): i32 {
  const next = at(session, SESSION_NEXT_TOKEN);
  let status = feed(session, prompt, count);
  for (let made: u32 = 0; made < limit; made++) {
    if (status != STATUS_DONE) return -status;
    const token = load<u32>(next);
    store<u32>(out + (<usize>made << 2), token);
    if (token == end_token || is_end(session, token) || made + 1 == limit) return made + 1;
    status = feed(session, out + (<usize>made << 2), 1);
  }
  return -status;
}

function is_end(session: usize, token: u32): bool {
  const count = min<u32>(load<u32>(session + SESSION_END_COUNT), SESSION_ENDS_MAX);
  for (let i: u32 = 0; i < count; i++) {
    if (load<u32>(session + SESSION_END_TOKENS + (<usize>i << 2)) == token) return true;
  }
  return false;
}

/** One sequence of rows, of which the last gives an output. The step counts positions, so that every sampled token draws anew. */
function write_rows(session: usize, tokens: usize, rows: u32): void {
  const position = load<u32>(session + SESSION_POSITION);
  memory.copy(at(session, SESSION_TOKENS), tokens, <usize>rows << 2);
  memory.fill(at(session, SESSION_SEQUENCE), 0, <usize>rows << 2);
  for (let row: u32 = 0; row < rows; row++) {
    store<u32>(at(session, SESSION_POSITIONS) + (<usize>row << 2), position + row);
  }
  const table = at(session, SESSION_SEQUENCES);
  store<u32>(table + SEQUENCE_FIRST_ROW, 0);
  store<u32>(table + SEQUENCE_ROWS, rows);
  store<u32>(table + SEQUENCE_FIRST_KEY, position);
  store<u32>(table + SEQUENCE_CACHE, 0);
  store<u32>(table + SEQUENCE_ADAPTER, load<u32>(session + SESSION_ADAPTER));
  store<f32>(table + SEQUENCE_SCALE, load<f32>(session + SESSION_SCALE));
  store<u32>(at(session, SESSION_OUTPUT_ROW), rows - 1);
  store<u32>(AT_SLOTS + SLOT_ROWS * 4, rows);
  store<u32>(AT_SLOTS + SLOT_SEQUENCES * 4, 1);
  store<u32>(AT_SLOTS + SLOT_OUTPUTS * 4, 1);
  store<u32>(AT_SLOTS + SLOT_STEP * 4, position + rows);
}
