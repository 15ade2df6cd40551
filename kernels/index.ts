/**
 * Entry of the wasm: everything a host or a profiler may see. Kernels stay exported, or the optimiser inlines them all
 * into one.
 */
export { open, run, run_on, start, help } from "./run";
export { signature } from "./signatures";
export * from "./adapter";
export * from "./embedding";
export * from "./linear";
export * from "./linear_i8";
export * from "./pack";
export { tile_1x16, tile_1x8, tiles_2x16, tiles_4x8 } from "./panels";
export { pair_i8, pair_i8_factors, pair_i8_min, row_i8 } from "./tiles_i8";
export * from "./peak";
export { quantize } from "./quantize";
export * from "./attention";
export * from "./attention_grad";
export * from "./geglu";
export { cache_write, cache_write_f16, cache_write_q8_0 } from "./cache";
export * from "./loss";
export * from "./norm";
export * from "./optimizer";
export * from "./rope";
export * from "./rows";
export { history_write } from "./history";
export * from "./sample";
export * from "./swiglu";
export { random, uniform } from "./random";
export { write_constants } from "./constants";
export * from "./elementwise";
export * from "./copy";
export * from "./session/generate";
export { tokenize, detokenize } from "./session/tokenize";
export { word_end } from "./session/split";
export { edgewise_word } from "./session/words";
