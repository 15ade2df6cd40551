/** Written by `npm run bench:memory -- --measure`: what Node takes, in KiB, on Linux x64. Change it by measuring again, not by hand. */

export interface NodeConstants {
  /** Node with the code that loads and runs a model, before it does. */
  readonly runtime: number;
  /** The compiled module, and the first worker. */
  readonly worker: number;
  /** Each further worker. */
  readonly nextWorker: number;
  /** A thousand instructions of plans: graph, lowering and plan as JavaScript objects. */
  readonly instructions: number;
  /** A run's own: text streams, messages, the machine code of what runs often. */
  readonly running: number;
}

/** By the first number of Node's version. */
export const nodeConstants: Readonly<Record<string, NodeConstants>> = {
  "20": {
    runtime: 56 * 1024,
    worker: 12 * 1024,
    nextWorker: 5 * 1024,
    instructions: 6 * 1024,
    running: 4 * 1024,
  },
};
