/** Text that comes in pieces, for a terminal: a line ends between two words, never within one. */

/** Characters that take two columns, and after which a line may end: those of China, Japan and Korea, and pictures. */
const WIDE =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\u3000-\u303f\uff01-\uff60\p{Emoji_Presentation}]/u;
/** Characters that take none, because they join those before them. */
const JOINED = /\p{M}|[\u200b-\u200d]/u;
const TAB_COLUMNS = 8;

export class WordWrap {
  /** Of the terminal; it may change at any time. */
  private readonly columns: () => number;
  private column = 0;
  /** What is held back: the blanks before the word, and as much of the word as has come. */
  private blanks = "";
  private word = "";

  constructor(columns: () => number) {
    this.columns = columns;
  }

  /** What may be written now. A word waits for its end, unless it alone fills a line. */
  push(text: string): string {
    let out = "";
    for (const char of text) out += this.take(char);
    return out;
  }

  /** The last word; the next text begins a line of its own. */
  end(): string {
    const out = this.endWord();
    this.column = 0;
    this.blanks = "";
    return out;
  }

  private take(char: string): string {
    if (char === "\n") return `${this.end()}\n`;
    if (/\s/u.test(char) && char !== "\u00a0") {
      const out = this.endWord();
      this.blanks += char;
      return out;
    }
    // A word may end before a wide character and after it, but not before what is joined to it.
    let out = WIDE.test(char) ? this.endWord() : "";
    if (!JOINED.test(char) && WIDE.test(this.word)) out += this.endWord();
    this.word += char;
    if (widthOf(this.word) >= this.columns()) out += this.endWord();
    return out;
  }

  private endWord(): string {
    const { blanks, word } = this;
    if (word === "") return "";
    [this.blanks, this.word] = ["", ""];
    const [gap, width] = [widthOf(blanks), widthOf(word)];
    if (this.column + gap + width > this.columns()) {
      const out = this.column > 0 ? `\n${word}` : word;
      this.column = width;
      return out;
    }
    this.column += gap + width;
    return blanks + word;
  }
}

/** Columns of a terminal. */
export function widthOf(text: string): number {
  let width = 0;
  for (const char of text) {
    if (char === "\t") width += TAB_COLUMNS;
    else if (WIDE.test(char)) width += 2;
    else if (!JOINED.test(char)) width += 1;
  }
  return width;
}
