/** A batch of ragged sequences in a program's io. */
import {
  NO_ADAPTER,
  SEQUENCE_ADAPTER,
  SEQUENCE_BYTES,
  SEQUENCE_CACHE,
  SEQUENCE_FIRST_KEY,
  SEQUENCE_FIRST_ROW,
  SEQUENCE_ROWS,
  SEQUENCE_SCALE,
} from "../../kernels/layout.ts";
import type { Engine } from "../engine/host/engine.ts";

export interface Sequence {
  readonly tokens: ArrayLike<number>;
  /** Position of its first token. */
  readonly firstKey?: number;
  readonly cache?: number;
  /** Which adapter of the bank; none by default, or where it is null. */
  readonly adapter?: number | null;
  /** Factor of the adapter's output. */
  readonly scale?: number;
}

export interface BatchSizes {
  readonly rows: number;
  readonly sequences: number;
}

/** Writes tokens, positions and the sequences table; returns the sizes for the slots. Rows of one sequence follow one another. */
export function writeBatch(engine: Engine, sequences: readonly Sequence[]): BatchSizes {
  const [token, position, owner] = ["token", "position", "sequence"].map((name) => engine.u32(name));
  const { offset } = engine.place("sequences");
  const table = new DataView(engine.host.memory, offset);
  let row = 0;
  sequences.forEach(({ tokens, firstKey = 0, cache = 0, adapter, scale = 1 }, index) => {
    const at = index * SEQUENCE_BYTES;
    table.setUint32(at + SEQUENCE_FIRST_ROW, row, true);
    table.setUint32(at + SEQUENCE_ROWS, tokens.length, true);
    table.setUint32(at + SEQUENCE_FIRST_KEY, firstKey, true);
    table.setUint32(at + SEQUENCE_CACHE, cache, true);
    table.setUint32(at + SEQUENCE_ADAPTER, adapter ?? NO_ADAPTER, true);
    table.setFloat32(at + SEQUENCE_SCALE, scale, true);
    for (let i = 0; i < tokens.length; i++, row++) {
      token[row] = tokens[i];
      position[row] = firstKey + i;
      owner[row] = index;
    }
  });
  return { rows: row, sequences: sequences.length };
}
