/**
 * GPT-2 writes every byte as one printable letter, so that tokens and merges are text without blanks: the 188 printable bytes of
 * Latin-1 stand for themselves, the other 68, in order, for U+0100, U+0101 …  (Radford et al. 2019; GGUF files keep this form.)
 */
const isPrintable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);

const letters: string[] = [];
/** By the code of the letter. */
const bytes: (number | undefined)[] = [];
for (let byte = 0, next = 0x100; byte < 256; byte++) {
  const letter = String.fromCodePoint(isPrintable(byte) ? byte : next++);
  letters.push(letter);
  bytes[letter.charCodeAt(0)] = byte;
}

/** Bytes as letters. */
export function lettersOf(text: Uint8Array): string {
  let written = "";
  for (const byte of text) written += letters[byte];
  return written;
}

/** The byte that a letter, given by its code, stands for; undefined: it stands for none. */
export function byteOfLetter(code: number): number | undefined {
  return bytes[code];
}
