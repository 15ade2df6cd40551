import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { asset } from "../../src/engine/host/assets.ts";

const SECTIONS = { import: 2, memory: 5, global: 6, code: 10, data: 11 } as const;

/** Payload of every section by its id. */
function sections(bytes: Uint8Array): Map<number, Reader> {
  const reader = new Reader(bytes.subarray(8));
  const found = new Map<number, Reader>();
  while (!reader.isAtEnd) found.set(reader.byte(), new Reader(reader.bytes(reader.number())));
  return found;
}

class Reader {
  private at = 0;
  private readonly source: Uint8Array;

  constructor(source: Uint8Array) {
    this.source = source;
  }

  get isAtEnd(): boolean {
    return this.at >= this.source.length;
  }

  byte(): number {
    return this.source[this.at++];
  }

  bytes(length: number): Uint8Array {
    this.at += length;
    return this.source.subarray(this.at - length, this.at);
  }

  rest(): Uint8Array {
    return this.source.subarray(this.at);
  }

  /** LEB128 */
  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  name(): string {
    return new TextDecoder().decode(this.bytes(this.number()));
  }
}

/** Mutability of every global; each begins with its type and ends with a constant expression. */
function globals(section: Reader | undefined): boolean[] {
  const mutable: boolean[] = [];
  for (let count = section?.number() ?? 0; count; count--) {
    section!.byte();
    mutable.push(section!.byte() === 1);
    const opcode = section!.byte();
    if (opcode === 0x41 || opcode === 0x42) section!.number();
    else if (opcode === 0x43) section!.bytes(4);
    else if (opcode === 0x44) section!.bytes(8);
    else throw new Error(`a global begins with opcode ${opcode}`);
    if (section!.byte() !== 0x0b) throw new Error("a global is more than one constant");
  }
  return mutable;
}

function parse(file: string) {
  const found = sections(readFileSync(asset(file)));
  return {
    imports: found.get(SECTIONS.import),
    memory: found.get(SECTIONS.memory),
    hasData: found.has(SECTIONS.data),
    mutable: globals(found.get(SECTIONS.global)).filter(Boolean).length,
  };
}

test("the single-threaded wasm has no imports, no data and no mutable globals, and exports its memory", () => {
  const { imports, memory, hasData, mutable } = parse("kernels/simd.wasm");
  expect(imports?.number() ?? 0).toBe(0);
  expect(memory!.number()).toBe(1);
  expect([hasData, mutable]).toEqual([false, 0]);
  const module = new WebAssembly.Module(readFileSync(asset("kernels/simd.wasm")));
  expect(WebAssembly.Module.exports(module)).toContainEqual({ name: "memory", kind: "memory" });
});

test("the threaded wasm imports a shared memory of up to 65,536 pages and nothing else", () => {
  const { imports, memory, hasData, mutable } = parse("kernels/simd-threads.wasm");
  expect(imports!.number()).toBe(1);
  expect([imports!.name(), imports!.name()]).toEqual(["env", "memory"]);
  const [kind, limits, initial, maximum] = [
    imports!.byte(),
    imports!.byte(),
    imports!.number(),
    imports!.number(),
  ];
  expect({ kind, limits, initial, maximum }).toEqual({ kind: 2, limits: 3, initial: 1, maximum: 65536 });
  expect([memory, hasData, mutable]).toEqual([undefined, false, 0]);
});

/** memory.atomic.wait32 with its alignment; wait64. */
const WAITS = [
  [0xfe, 0x01, 0x02],
  [0xfe, 0x02, 0x03],
];
const [DROP, END] = [0x1a, 0x0b];

/** Every place with the bytes of a wait instruction: in which function, what stands before it and after it. */
function waits(code: Reader): { locals: number; after: number[] }[] {
  const found: { locals: number; after: number[] }[] = [];
  for (let count = code.number(); count; count--) {
    const body = code.bytes(code.number());
    for (let at = 0; at < body.length; at++) {
      if (!WAITS.some((bytes) => bytes.every((byte, i) => body[at + i] === byte))) continue;
      const after = new Reader(body.subarray(at + 3));
      after.number(); // the offset
      found.push({ locals: new Reader(body).number(), after: [...after.rest()] });
    }
  }
  return found;
}

const shared = readdirSync(asset("kernels"))
  .filter((file) => file.endsWith(".wasm"))
  .filter(
    (file) =>
      WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(asset(`kernels/${file}`)))).length,
  );

test("there are threaded modules", () => expect(shared).toContain("simd-threads.wasm"));

test.each(shared)("%s waits in one function, which has no locals and ends after it", (file) => {
  const [wait, ...others] = waits(sections(readFileSync(asset(`kernels/${file}`))).get(SECTIONS.code)!);
  expect(others).toEqual([]);
  expect(wait.locals).toBe(0);
  expect(wait.after).toEqual([DROP, END]);
});
