import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import * as layout from "../../kernels/layout.ts";
import { errorWords } from "../../src/engine/host/errors.ts";
import {
  decode,
  disassemble,
  encode,
  instructionOffsets,
  type Operand,
  type Plan,
  planBytes,
  regionNames,
  slotNames,
} from "../../src/engine/plan/bytes.ts";
import { ARENA, at, CONSTANTS, chain, float, instruction, int, rows } from "./plans.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const slot = fc.integer({ min: 0, max: layout.SLOTS - 1 });
const affine = fc.record({ a: word, slot, b: word });
const operand: fc.Arbitrary<Operand> = fc.oneof(
  fc.record({
    kind: fc.constant("memory" as const),
    region: fc.integer({ min: 0, max: 7 }),
    access: fc.integer({ min: 1, max: 3 }),
    offset: affine,
    bytes: affine,
  }),
  fc.record({ kind: fc.constant("scalar" as const), value: affine }),
  fc.record({ kind: fc.constant("float" as const), value: fc.float({ noNaN: true }), slot }),
);
const plan: fc.Arbitrary<Plan> = fc.record({
  scratch: word,
  instructions: fc.array(
    fc.record({
      opcode: fc.integer({ min: 0, max: 0xffff }),
      barrier: fc.boolean(),
      cost: word,
      units: affine,
      operands: fc.array(operand, { maxLength: layout.OPERANDS_MAX }),
    }),
    { maxLength: 8 },
  ),
});

/** Floats as the plan holds them. */
function rounded({ scratch, instructions }: Plan): Plan {
  const round = (each: Operand) =>
    each.kind === "float" ? { ...each, value: Math.fround(each.value) } : each;
  return {
    scratch,
    instructions: instructions.map((each) => ({ ...each, operands: each.operands.map(round) })),
  };
}

test("decode gives back what encode was given", () => {
  fc.assert(
    fc.property(plan, (given) => {
      const bytes = encode(given);
      expect(bytes.length).toBe(planBytes(given));
      expect(rounded(decode(bytes))).toEqual(given);
      expect(encode(decode(bytes))).toEqual(bytes);
      expect(instructionOffsets(bytes).at(-1)).toBe(bytes.length);
      expect(disassemble(bytes).split("\n")).toHaveLength(given.instructions.length + 1);
    }),
  );
});

test("bytes that are no plan are refused by decode, never read past their end", () => {
  const bytes = encode(chain());
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (place, value, length) => {
      const changed = bytes.slice(0, length);
      if (place < length) changed[place] = value;
      try {
        disassemble(changed);
      } catch (error) {
        expect(String(error)).toMatch(/^Error: plan: /);
      }
    }),
  );
});

test("the module's dump is what the disassembler prints", () => {
  const two: Plan = {
    scratch: 16512,
    instructions: [
      instruction(
        "rms_norm",
        rows(),
        [
          at(ARENA, 0, rows(512), "r"),
          at(CONSTANTS, 0, 512, "r"),
          at(ARENA, 0x8000, rows(512), "w"),
          at(ARENA, 0x10000, rows(4), "w"),
          int(rows()),
          int(128),
          float(1e-5),
        ],
        { barrier: false, cost: 128 },
      ),
      instruction(
        "linear_q8_0_r8",
        8,
        [
          at(ARENA, 0x8000, rows(512), "r"),
          at(CONSTANTS, 0x200, 18432, "r"),
          at(ARENA, 0x10100, rows(512), "w"),
          int(rows()),
          int(128),
          int(128),
          int(0),
        ],
        { cost: 131072 },
      ),
    ],
  };
  const source = readFileSync(path.resolve(import.meta.dirname, "../../src/engine/plan/bytes.ts"), "utf8");
  const dump = [...source.slice(0, source.indexOf("*/")).matchAll(/^ \* {5}(.*)$/gm)].map(([, line]) => line);
  const bytes = encode(two);
  const words = Array.from({ length: bytes.length / 4 }, (_, i) =>
    new DataView(bytes.buffer)
      .getUint32(4 * i, true)
      .toString(16)
      .padStart(8, "0"),
  );
  const lines = Array.from(
    { length: Math.ceil(words.length / 8) },
    (_, i) => `${(32 * i).toString(16).padStart(4, "0")}  ${words.slice(8 * i, 8 * i + 8).join(" ")}`,
  );
  expect(dump).toEqual([...disassemble(bytes).split("\n"), ...lines]);
});

test("there is a word for every code, region and slot of the layout", () => {
  const numbers = (prefix: string) =>
    Object.entries(layout as Record<string, number>)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length).toLowerCase(), value] as const);
  expect(Object.keys(errorWords).map(Number)).toEqual(
    numbers("ERROR_")
      .map(([, code]) => code)
      .sort((a, b) => a - b),
  );
  for (const [name, number] of numbers("SLOT_")) if (number) expect(slotNames[number]).toBe(name);
  expect(slotNames).toHaveLength(layout.SLOTS);
  const shortNames: Record<string, string> = { constant_page: "page" };
  for (const [name, number] of numbers("REGION_")) expect(regionNames[number]).toBe(shortNames[name] ?? name);
});

test("a value that is no word is refused", () => {
  const bad = (value: number): Plan => ({ scratch: value, instructions: [] });
  for (const value of [0.5, 2 ** 32, -(2 ** 31) - 1, Number.NaN])
    expect(() => encode(bad(value))).toThrow(/plan: .* is not a 32-bit word/);
});
