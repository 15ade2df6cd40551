/** Log-likelihoods of given tokens, many sequences and many users in one plan. */
import { Engine } from "../engine/host/engine.ts";
import { compile, type Program } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import { type Sequence, writeBatch } from "./batch.ts";
import { type ModelSpec, scoreGraph } from "./models/graphs.ts";
import { STAGING_BYTES } from "./models/load.ts";

export interface ScorerSetup {
  readonly model: ModelSpec;
  /** Longest sequence. */
  readonly context: number;
  /** Most rows and sequences of a batch, and rows for which logits exist at once. */
  readonly rows: number;
  readonly sequences: number;
  readonly outputs?: number;
  readonly threads?: number;
  readonly inProcess?: boolean;
  readonly memoryLimit?: number;
}

/** A user's adapter in the bank, and its factor. */
export interface AdapterChoice {
  readonly adapter?: number;
  readonly scale?: number;
}

/** How likely tokens[from …] are after those before them; from ≥ 1. */
export interface Continuation extends AdapterChoice {
  readonly tokens: readonly number[];
  readonly from: number;
}

/** A prompt with the answers to choose from. */
export interface Choice extends AdapterChoice {
  readonly prompt: readonly number[];
  readonly options: readonly (readonly number[])[];
}

/** One row of the head: which request wants which token there. */
interface Wanted {
  readonly sequence: number;
  /** Row within its sequence. */
  readonly row: number;
  readonly target: number;
}

const DEFAULT_OUTPUTS = 64;

export function compileScoring(setup: ScorerSetup): Program {
  const { model, context, rows, sequences, threads = 1, memoryLimit, outputs = DEFAULT_OUTPUTS } = setup;
  return compile(
    { score: scoreGraph(model, { context }) },
    { slots: { rows, sequences, outputs }, threads, memoryLimit, arenaBytes: STAGING_BYTES },
  );
}

export class Scorer {
  readonly engine: Engine;
  /** Longest sequence. */
  readonly context: number;
  /** Rows that went through the model. */
  rows = 0;

  private constructor(engine: Engine, context: number) {
    this.engine = engine;
    this.context = context;
  }

  /** A scorer whose weights and adapters are still to be filled. */
  static async open(setup: ScorerSetup, program = compileScoring(setup)): Promise<Scorer> {
    return new Scorer(await Engine.open(program, { inProcess: setup.inProcess }), setup.context);
  }

  /** Σ log p of the continuation, in nats, for each. */
  async continuations(requests: readonly Continuation[], signal?: AbortSignal): Promise<number[]> {
    const totals = new Array<number>(requests.length).fill(0);
    const sequences = requests.map(({ tokens, from, adapter, scale }): Request => {
      const wanted = tokens.slice(from).map((target, i) => ({ row: from - 1 + i, target }));
      return { tokens: tokens.slice(0, -1), adapter, scale, wanted };
    });
    const visit: Visit = ({ sequence }, logLikelihood) => {
      totals[sequence] += logLikelihood(undefined);
    };
    await this.run(sequences, visit, signal);
    return totals;
  }

  /** log p of every option after the prompt, in nats. Options of one token each cost one pass over the prompt together. */
  async choices(requests: readonly Choice[], signal?: AbortSignal): Promise<number[][]> {
    const scores = requests.map(({ options }) => new Array<number>(options.length).fill(0));
    const owners: { request: number; option: number | undefined }[] = [];
    const sequences: Request[] = [];
    requests.forEach(({ prompt, options, adapter, scale }, request) => {
      const single = options.every((option) => option.length === 1);
      for (const [index, option] of single ? [[undefined, options[0]] as const] : options.entries()) {
        const tokens = [...prompt, ...option].slice(0, -1);
        const wanted = option.map((target, i) => ({ row: prompt.length - 1 + i, target }));
        owners.push({ request, option: index });
        sequences.push({ tokens, adapter, scale, wanted });
      }
    });
    const visit: Visit = ({ sequence }, logLikelihood) => {
      const { request, option } = owners[sequence];
      if (option !== undefined) scores[request][option] += logLikelihood(undefined);
      else scores[request] = requests[request].options.map(([token]) => logLikelihood(token));
    };
    await this.run(sequences, visit, signal);
    return scores;
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  /** Batches of whole sequences, in order. */
  private async run(sequences: readonly Request[], visit: Visit, signal?: AbortSignal): Promise<void> {
    const { rows, sequences: most } = this.engine.program.slots;
    for (let first = 0; first < sequences.length; ) {
      let [last, used] = [first, 0];
      while (last < sequences.length && last - first < most && used + sequences[last].tokens.length <= rows)
        used += sequences[last++].tokens.length;
      if (last === first) throw this.tooLong(sequences[first].tokens.length);
      await this.batch(sequences.slice(first, last), first, visit, signal);
      first = last;
    }
  }

  private async batch(
    sequences: readonly Request[],
    first: number,
    visit: Visit,
    signal?: AbortSignal,
  ): Promise<void> {
    for (const { tokens } of sequences) if (tokens.length > this.context) throw this.tooLong(tokens.length);
    const sizes = writeBatch(this.engine, sequences);
    this.rows += sizes.rows;
    await this.engine.run("score", "body", { ...sizes, outputs: 0 }, { signal });
    const wanted: Wanted[] = [];
    let start = 0;
    sequences.forEach(({ tokens, wanted: list }, i) => {
      for (const { row, target } of list) wanted.push({ sequence: first + i, row: start + row, target });
      start += tokens.length;
    });
    const { outputs } = this.engine.program.slots;
    for (let at = 0; at < wanted.length; at += outputs)
      await this.head(wanted.slice(at, at + outputs), sizes, visit);
  }

  private async head(
    wanted: readonly Wanted[],
    sizes: { rows: number; sequences: number },
    visit: Visit,
  ): Promise<void> {
    const { engine } = this;
    engine.u32("output_row").set(wanted.map(({ row }) => row));
    engine.u32("target").set(wanted.map(({ target }) => target));
    engine.f32("weight").fill(1, 0, wanted.length);
    await engine.run("score", "head", { ...sizes, outputs: wanted.length });
    const [loss, logits] = [engine.f32("loss"), engine.f32("logits")];
    const vocabulary = engine.place("logits").value.shape[1] as number;
    wanted.forEach((one, i) => {
      const logit = (token: number) => logits[i * vocabulary + token];
      visit(one, (token) => (token === undefined ? -loss[i] : logit(token) - logit(one.target) - loss[i]));
    });
  }

  private tooLong(length: number): InputError {
    const { rows } = this.engine.program.slots;
    return new InputError(
      `score: a sequence of ${length} tokens; the context is ${this.context} and a batch has ${rows} rows`,
    );
  }
}

interface Request extends Sequence {
  readonly wanted: readonly { readonly row: number; readonly target: number }[];
}

/** Called for every wanted row with a function that gives log p of a token there (default: of its target). */
type Visit = (wanted: Wanted, logLikelihood: (token: number | undefined) => number) => void;
