/** Which tokens a KV cache holds, and how much of that a new text can keep. */
import { canRewind, type LayerCache } from "./models/caches.ts";

export class CachedTokens {
  readonly tokens: number[] = [];
  private readonly layers: readonly LayerCache[];
  /** Positions written since the cache was last empty, also those given up since: rings have lost what stood in their place. */
  private highest = 0;

  constructor(layers: readonly LayerCache[]) {
    this.layers = layers;
  }

  /**
   * How many tokens of a text, at most `most`, stand here and can be gone on from: all that it has in common with them, or none where a
   * ring has lost keys that the next row looks back on.
   */
  usable(text: ArrayLike<number>, most = text.length): number {
    const common = commonPrefix(this.tokens, text, most);
    return canRewind(this.layers, this.highest, common) ? common : 0;
  }

  /** Forgets what follows the first `length` tokens. */
  keep(length: number): void {
    this.tokens.length = length;
    if (length === 0) this.highest = 0;
  }

  /** Rows for these tokens are about to be written. */
  writes(count: number): void {
    this.highest = Math.max(this.highest, this.tokens.length + count);
  }

  /** They were. */
  wrote(tokens: ArrayLike<number>, count = tokens.length): void {
    for (let i = 0; i < count; i++) this.tokens.push(tokens[i]);
  }

  /** Becomes the first tokens of another cache, whose rows were copied. */
  copy(other: CachedTokens, length: number): void {
    this.tokens.splice(0, this.tokens.length, ...other.tokens.slice(0, length));
    this.highest = other.highest;
  }
}

/** How many tokens two texts begin with alike, at most `most`. */
export function commonPrefix(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  most = Number.POSITIVE_INFINITY,
): number {
  const end = Math.min(a.length, b.length, most);
  let common = 0;
  while (common < end && a[common] === b[common]) common++;
  return common;
}
