/** What Node takes besides plans: `npm run bench:memory -- --measure` (Linux x64) prints the line of its own version. */

export interface NodeConstants {
  /** Node with the code that runs a model, the heap and machine code of a run, and 5 MiB by which processes differ: KiB. */
  readonly runtime: number;
  /** The first thread, with the compiled module: KiB. */
  readonly worker: number;
  /** Each further thread: KiB. */
  readonly nextWorker: number;
  /** A thousand instructions as graph and plan in JavaScript: KiB. */
  readonly instructions: number;
  /** What the young generation grows to besides, where the heap is not kept small: KiB. */
  readonly young: number;
}

/** By the first number of Node's version. */
export const nodeConstants: Readonly<Record<number, NodeConstants>> = {
  20: { runtime: 60000, worker: 12000, nextWorker: 9000, instructions: 8000, young: 6000 },
  22: { runtime: 66500, worker: 15700, nextWorker: 11400, instructions: 8000, young: 7000 },
  24: { runtime: 70500, worker: 17500, nextWorker: 11300, instructions: 8000, young: 7000 },
};
