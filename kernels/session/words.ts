/** How byte-level BPE cuts text into words; no merge crosses the border of a word. */

const LETTER: u32 = 0;
const DIGIT: u32 = 1;
const NEWLINE: u32 = 2;
const SPACE: u32 = 3;
const OTHER: u32 = 4;

/**
 * End of the word at `at`, by the rule `edgewise` (src/llm/tokenizer/words.ts is the same rule for training):
 *
 *   newlines (\n \r) in a run │ blanks in a run │ an optional space, then letters, or one digit, or a run of the rest
 *
 * Letters are A–Z, a–z and every byte above 127; blanks are space, \t, \v, \f. The last space of a run of blanks goes
 * to the word behind it.
 */
export function edgewise_word(at: usize, end: usize): usize {
  let next = at;
  let kind = kind_of(next);
  if (kind == NEWLINE) return run_end(next, end, NEWLINE);
  if (kind == SPACE) {
    next = run_end(at, end, SPACE);
    const word_follows = next < end && kind_of(next) != NEWLINE && load<u8>(next - 1) == 0x20;
    if (!word_follows) return next;
    if (next - at > 1) return next - 1;
    kind = kind_of(next);
  }
  return kind == DIGIT ? next + 1 : run_end(next, end, kind);
}

function run_end(at: usize, end: usize, kind: u32): usize {
  let next = at + 1;
  while (next < end && kind_of(next) == kind) next++;
  return next;
}

function kind_of(at: usize): u32 {
  const byte = <u32>load<u8>(at);
  const letter = (byte | 32) - 97 < 26 || byte > 127;
  if (letter) return LETTER;
  if (byte - 48 < 10) return DIGIT;
  if (byte == 10 || byte == 13) return NEWLINE;
  return byte == 32 || (byte >= 9 && byte <= 12) ? SPACE : OTHER;
}
