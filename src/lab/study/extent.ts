/** How long what a model meets is: what programs are planned for, instead of the context that the model was trained with. */
import { weightedTokens } from "../../llm/train/example.ts";
import type { Example, Query } from "./prompting.ts";

/** Tokens that each person's adapter learns from in one step, at least: whole items until there are so many. */
export const STEP_TOKENS = 32;

/** What one person needs of a program at once. */
export interface Extent {
  /** Tokens of the longest sequence. */
  readonly sequence: number;
  readonly rows: number;
  readonly sequences: number;
  /** Rows whose logits are needed at once. */
  readonly outputs: number;
}

/** Of answering the longest query: one of its options at a time. */
export function answering(queries: readonly Query[]): Extent {
  const option = ({ options }: Query) => Math.max(...options.map(({ length }) => length));
  const sequence = Math.max(1, ...queries.map((query) => query.prompt.length + option(query)));
  return { sequence, rows: sequence, sequences: 1, outputs: Math.max(1, ...queries.map(option)) };
}

/** Of the largest step that these lessons can make, in whatever order: the last of its items begins below STEP_TOKENS. */
export function learning(lessons: readonly Example[]): Extent {
  const lengths = lessons.map(({ tokens }) => tokens.length);
  const sequence = Math.max(1, ...lengths);
  const before = STEP_TOKENS - 1;
  return {
    sequence,
    rows: before + sequence,
    sequences: Math.ceil(STEP_TOKENS / Math.max(1, Math.min(...lengths))),
    outputs: before + Math.max(0, ...lessons.map(weightedTokens)),
  };
}

export function largest(extents: readonly Extent[]): Extent {
  const most = (of: (extent: Extent) => number) => Math.max(1, ...extents.map(of));
  return {
    sequence: most(({ sequence }) => sequence),
    rows: most(({ rows }) => rows),
    sequences: most(({ sequences }) => sequences),
    outputs: most(({ outputs }) => outputs),
  };
}

/** Rounded up, so that people and cells of nearly the same length share one program. */
export function rounded(extent: Extent): Extent {
  const up = (value: number, unit: number) => Math.ceil(value / unit) * unit;
  return {
    sequence: up(extent.sequence, 64),
    rows: up(extent.rows, 64),
    sequences: up(extent.sequences, 8),
    outputs: up(extent.outputs, 16),
  };
}
