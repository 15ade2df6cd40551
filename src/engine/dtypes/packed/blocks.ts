import { type PackedDtype, paddedRows, viewOf } from "../dtype.ts";

/**
 * The exact integers behind weights (n, k), row-major, and what they are multiplied with:
 * value = scale · integer [+ min], or (scale · factor) · integer, each step in f32.
 */
export interface Blocks {
  readonly integers: Int8Array;
  /** One per 32 columns. */
  readonly scales: Float32Array;
  /** One per 32 columns, where there are any. */
  readonly mins?: Float32Array;
  /** One per 16 columns, where there are any. */
  readonly factors?: Int8Array;
}

/** A packed dtype that the integer linears take. */
export interface BlockDtype extends PackedDtype {
  blocks(packed: Uint8Array, n: number, k: number): Blocks;
}

/** How a dtype of 4, 5 or 6 bits lays out 8 rows × `blockSize` columns. */
interface Layout {
  readonly name: string;
  readonly blockSize: number;
  /** Bytes of 8 rows: header, nibbles, upper bits. */
  readonly bytes: number;
  readonly header: number;
  /** Bits of an integer beyond its nibble. */
  readonly upperBits: 0 | 1 | 2;
  /** What is subtracted from an integer. */
  readonly zero: number;
  /** Bytes of one row's block in a file. */
  readonly fileBytes: number;
  /** Integer i of the file's block at `at`. */
  integer(file: Uint8Array, at: number, i: number): number;
  /** From the file's block at `at` to row r of the header at `header`. */
  writeHeader(file: DataView, at: number, to: DataView, header: number, r: number): void;
  /** Scale of row r and of the `sub`-th 32 columns. */
  scale(view: DataView, header: number, r: number, sub: number): number;
  min?(view: DataView, header: number, r: number, sub: number): number;
  /** Factor of row r and of the `sub`-th 16 columns. */
  factor?(view: DataView, header: number, r: number, sub: number): number;
}

/**
 * The dtype of this layout. Of every 32 columns, in bytes:
 * ```
 * nibbles     128   4 chunks of 32 B; chunk c: rows 0–3 × 4 bytes, then rows 4–7; byte j of a row: low nibble k 8c+j, high nibble k 8c+4+j
 * fifth bits   32   rows 0–3 × 4 bytes, then rows 4–7; byte j of a row: bit 2c is of k 8c+j, bit 2c+1 of k 8c+4+j
 * upper two    64   k 0–15, then k 16–31, each rows 0–3 × 4 bytes, then rows 4–7; byte j of a row, from bit 0, two bits each of
 *                   k j, 4+j, 8+j, 12+j (of these 16)
 * ```
 * so that a vector of nibbles and one of upper bits, shifted and masked, give 16 integers in their places. Missing rows are zero.
 */
export function blockDtype(layout: Layout): BlockDtype {
  const { name, blockSize, bytes, upperBits, fileBytes } = layout;
  const blockOf = (row: number, column: number, k: number) =>
    ((row >> 3) * (k / blockSize) + Math.floor(column / blockSize)) * bytes;
  return {
    name,
    blockSize,
    bytesPerBlock: bytes / 8,
    packedBytes: (n, k) => (paddedRows(n) / 8) * (k / blockSize) * bytes,
    pack(file, n, k) {
      const packed = new Uint8Array(this.packedBytes(n, k));
      const [from, to] = [viewOf(file), viewOf(packed)];
      for (let row = 0, at = 0; row < n; row++)
        for (let column = 0; column < k; column += blockSize, at += fileBytes) {
          const block = blockOf(row, column, k);
          layout.writeHeader(from, at, to, block, row & 7);
          for (let i = 0; i < blockSize; i++) {
            const integer = layout.integer(file, at, i);
            packed[block + nibbleAt(layout, row & 7, i)]! |= (integer & 15) << (i & 4);
            if (upperBits)
              packed[block + upperAt(layout, row & 7, i)]! |= (integer >> 4) << upperShift(layout, i);
          }
        }
      return packed;
    },
    unpack(packed, n, k) {
      const { integers, scales, mins, factors } = this.blocks(packed, n, k);
      return Float32Array.from(integers, (integer, i) => {
        const scale = factors ? Math.fround(scales[i >> 5]! * factors[i >> 4]!) : scales[i >> 5]!;
        return mins ? Math.fround(scale * integer) + mins[i >> 5]! : scale * integer;
      });
    },
    blocks(packed, n, k) {
      const view = viewOf(packed);
      const each = <A extends Int8Array | Float32Array>(
        array: A,
        step: number,
        f: (block: number, r: number, i: number) => number,
      ): A => {
        for (let place = 0; place < array.length; place++) {
          const [row, column] = [Math.floor((place * step) / k), (place * step) % k];
          array[place] = f(blockOf(row, column, k), row & 7, column % blockSize);
        }
        return array;
      };
      const { min, factor } = layout;
      return {
        integers: each(new Int8Array(n * k), 1, (block, r, i) => integerAt(layout, packed, block, r, i)),
        scales: each(new Float32Array((n * k) / 32), 32, (block, r, i) =>
          layout.scale(view, block, r, i >> 5),
        ),
        mins: min && each(new Float32Array((n * k) / 32), 32, (block, r, i) => min(view, block, r, i >> 5)),
        factors:
          factor && each(new Int8Array((n * k) / 16), 16, (block, r, i) => factor(view, block, r, i >> 4)),
      };
    },
  };
}

function integerAt(layout: Layout, packed: Uint8Array, block: number, r: number, i: number): number {
  const nibble = (packed[block + nibbleAt(layout, r, i)]! >> (i & 4)) & 15;
  const mask = (1 << layout.upperBits) - 1;
  const upper = mask && (packed[block + upperAt(layout, r, i)]! >> upperShift(layout, i)) & mask;
  return (nibble | (upper << 4)) - layout.zero;
}

/** Byte of column i of row r within 8 rows. */
function nibbleAt({ header }: Layout, r: number, i: number): number {
  return header + 128 * (i >> 5) + 32 * ((i >> 3) & 3) + 4 * r + (i & 3);
}

function upperAt({ header, blockSize, upperBits }: Layout, r: number, i: number): number {
  const group = upperBits === 1 ? i >> 5 : i >> 4;
  return header + 4 * blockSize + 32 * group + 4 * r + (i & 3);
}

function upperShift({ upperBits }: Layout, i: number): number {
  return upperBits === 1 ? (i >> 2) & 7 : 2 * ((i >> 2) & 3);
}
