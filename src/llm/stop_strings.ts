/** Text up to the first stop string, wherever the borders of its pieces are: what may yet become a stop string is held back. */
export class StopStrings {
  private readonly strings: readonly string[];
  private held = "";
  /** A stop string has come; nothing follows any more. */
  found = false;

  constructor(strings: readonly string[]) {
    this.strings = strings;
  }

  /** The text that no stop string can take back any more. The one that is complete first counts, of several at once the one that begins first. */
  push(text: string): string {
    if (this.found) return "";
    const all = this.held + text;
    const starts = this.strings.map((string) => all.indexOf(string)).filter((at) => at >= 0);
    this.found = starts.length > 0;
    const end = this.found ? Math.min(...starts) : all.length - this.pending(all);
    this.held = this.found ? "" : all.slice(end);
    return all.slice(0, end);
  }

  /** What was held back, now that nothing follows. */
  end(): string {
    const { held } = this;
    this.held = "";
    return held;
  }

  /** Length of the longest end of the text that is the beginning of a stop string. */
  private pending(text: string): number {
    const starts = (length: number) =>
      this.strings.some((string) => length < string.length && text.endsWith(string.slice(0, length)));
    let length = Math.min(text.length, Math.max(0, ...this.strings.map((string) => string.length - 1)));
    while (length > 0 && !starts(length)) length--;
    return length;
  }
}
