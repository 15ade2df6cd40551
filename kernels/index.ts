/** Entry of the wasm: everything a host or a profiler may see. */
export * from "./operands";
export * from "./constants";
