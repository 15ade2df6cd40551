/** What the interrupted run and its undisturbed twin have in common. */


export function setupOf(config, dtype) {
  return {
    model: { config, dtype, bank: { rank: 2, roles: ["q", "v", "down"], adapters: 1 } },
    options: { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.01, maxNorm: 1, context: 32, full: false },
    rows: 32,
    sequences: 4,
  };
}

/** What the run was asked to do, besides its setup. */
export const options = { schedule: { type: "constant", warmupSteps: 4 }, seed: 11 };

export function learningRate(step) {
  return 0.02 * Math.min(1, step / 4);
}

/** Two samples; which ones depends on how many have been seen. */
export function batchOf(seen, vocabulary) {
  return [seen, seen + 1].map((sample) => ({
    tokens: Array.from({ length: 9 }, (_, i) => (sample * 7 + i * (1 + (sample % 3))) % vocabulary),
    weights: Array.from({ length: 9 }, (_, i) => (i < 2 ? 0 : 1)),
    adapter: 0,
    scale: 2,
  }));
}
