/**
 * What somebody who knows the generator, but not the user's hidden function, can know of an answer: the exact
 * predictive distribution given any set of seen items. Its largest entry is the Bayes accuracy of the query, its
 * entropy the difficulty in bits. The answer asked for is as noisy as the ones seen.
 */

/** P(answer a is written | the hidden function says f), over A answers. */
function written(a: number, f: number, answers: number, noise: number): number {
  return a === f ? 1 - noise : noise / (answers - 1);
}

export interface LookupObservation {
  topic: number;
  theme: number;
  answer: number;
}

/**
 * Look-up: each theme has a uniform answer g, each topic of it the answer g with probability 1 − λ, else (locality λ)
 * a uniform answer of its own; an item's answer is its topic's f, with probability ε replaced by one of the others.
 *
 * Topics are independent given g, and themes independent of each other. With L_t(f) = Π_{items of t} P(a | f) and
 * P(f | g) = λ/A + (1 − λ)[f = g]:
 *   P(g | seen) ∝ Π_{t in theme} Σ_f P(f | g) L_t(f)      P(f | g, seen) ∝ P(f | g) L_t(f)
 *   P(a) = Σ_g P(g | seen) Σ_f P(f | g, seen) P(a | f)
 * Cost O(A² · topics of the theme). λ = 1 leaves only the query's own topic.
 */
export function lookupPredictive(
  seen: readonly LookupObservation[],
  query: { topic: number; theme: number },
  answers: number,
  noise: number,
  locality: number,
): number[] {
  const range = Array.from({ length: answers }, (_, i) => i);
  const likelihoods = new Map<number, number[]>([[query.topic, range.map(() => 1)]]);
  for (const { topic, theme, answer } of seen) {
    if (theme !== query.theme) continue;
    const before = likelihoods.get(topic) ?? range.map(() => 1);
    const after = before.map((p, f) => p * written(answer, f, answers, noise));
    const largest = Math.max(...after);
    likelihoods.set(topic, largest > 0 ? after.map((p) => p / largest) : after);
  }
  const prior = (f: number, g: number) => locality / answers + (f === g ? 1 - locality : 0);
  const evidence = (likelihood: number[], g: number) =>
    likelihood.reduce((sum, p, f) => sum + prior(f, g) * p, 0);
  const themes = range.map((g) =>
    [...likelihoods.values()].reduce((product, l) => product * evidence(l, g), 1),
  );
  const own = likelihoods.get(query.topic)!;
  const functions = range.map((f) =>
    range.reduce((sum, g) => {
      const e = evidence(own, g);
      return e > 0 ? sum + (themes[g] * prior(f, g) * own[f]) / e : sum;
    }, 0),
  );
  return mixture(functions, answers, noise, (f) => f);
}

/**
 * Rule: one of n two-valued attributes decides, and one of the two polarities: 2n hypotheses, equally likely.
 * P(hypothesis | seen) ∝ Π P(answer | hypothesis), by enumeration; answers are 0 (yes) and 1 (no).
 */
export function rulePredictive(
  seen: readonly { values: readonly number[]; answer: number }[],
  query: readonly number[],
  noise: number,
): number[] {
  const hypotheses = query.flatMap((_, attribute) => [0, 1].map((polarity) => ({ attribute, polarity })));
  const says = (h: { attribute: number; polarity: number }, values: readonly number[]) =>
    values[h.attribute] ^ h.polarity;
  const posterior = hypotheses.map((h) =>
    seen.reduce((p, s) => p * written(s.answer, says(h, s.values), 2, noise), 1),
  );
  return mixture(posterior, 2, noise, (h) => says(hypotheses[h], query));
}

/** Σ over hypotheses of (their normalised weight) · P(a | what the hypothesis says). */
function mixture(
  weights: readonly number[],
  answers: number,
  noise: number,
  says: (hypothesis: number) => number,
): number[] {
  const total = weights.reduce((a, b) => a + b, 0);
  return Array.from({ length: answers }, (_, a) =>
    weights.reduce((sum, w, h) => sum + (w / total) * written(a, says(h), answers, noise), 0),
  );
}

/** The accuracy of the best possible guess, and the bits that remain unknown. */
export interface Difficulty {
  accuracy: number;
  bits: number;
}

export function difficulty(distribution: readonly number[]): Difficulty {
  return {
    accuracy: Math.max(...distribution),
    bits: distribution.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0),
  };
}
