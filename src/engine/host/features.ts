/** What this engine can run, found out by validating modules of one instruction. */

import { InputError } from "../../errors.ts";

const MODULE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const FUNCTION_TO_V128 = [0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01, 0x00];
/** i32.const 0, i8x16.splat */
const SPLAT = [0x0a, 0x08, 0x01, 0x06, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x0b];
/** A shared memory of one page. */
const SHARED_MEMORY = [0x05, 0x04, 0x01, 0x03, 0x01, 0x01];

function accepts(...sections: number[][]): boolean {
  return WebAssembly.validate(Uint8Array.from([...MODULE, ...sections.flat()]));
}

export interface Features {
  /** 128-bit vectors: everything needs them. */
  readonly simd: boolean;
  /** Shared memory and atomics: what the worker host needs. */
  readonly threads: boolean;
}

export function features(): Features {
  return {
    simd: accepts(FUNCTION_TO_V128, SPLAT),
    threads: typeof SharedArrayBuffer !== "undefined" && accepts(SHARED_MEMORY),
  };
}

/** What nothing here can do without. */
export interface Platform {
  readonly wasm: boolean;
  readonly littleEndian: boolean;
}

function platform(): Platform {
  return {
    wasm: typeof WebAssembly === "object",
    littleEndian: new Uint8Array(Uint32Array.of(1).buffer)[0] === 1,
  };
}

/** Throws an InputError that names what this host lacks: neither a fault of a file nor of edgewise. */
export function checkPlatform({ wasm, littleEndian }: Platform = platform()): void {
  if (!wasm)
    throw new InputError(
      "host: this JavaScript engine has no WebAssembly, in which everything is computed; start Node without --jitless",
    );
  if (!littleEndian)
    throw new InputError(
      "host: arrays of this machine are big-endian, those of model files and of WebAssembly are little-endian; it cannot run here",
    );
}
