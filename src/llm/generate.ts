/** Text generation with a KV cache: the loop itself is in kernels/session, the same for every host. */
import * as layout from "../../kernels/layout.ts";
import type { CacheType } from "../engine/dtypes/cache.ts";
import { Engine } from "../engine/host/engine.ts";
import { planError } from "../engine/host/errors.ts";
import { compile, type Program } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import { CachedTokens } from "./cached_tokens.ts";
import { checkProcess, memoryLimitOf } from "./memory/limit.ts";
import type { ModelFile } from "./model_file.ts";
import { layerCaches } from "./models/caches.ts";
import { type Activations, generateGraph } from "./models/graphs.ts";
import { loadWeights, STAGING_BYTES, type WeightType, weightDtypes } from "./models/load.ts";

export interface GenerationSetup {
  /** Weights as the file has them, or encoded anew. */
  readonly type?: WeightType;
  readonly activations?: Activations;
  /** Positions of the KV cache; default: what the model was trained for. */
  readonly context?: number;
  /** Dtype of the KV cache; default f32. */
  readonly cacheType?: CacheType;
  /** Rows of a prompt that run at once. */
  readonly rows?: number;
  readonly threads?: number;
  readonly inProcess?: boolean;
  /**
   * In bytes, of the whole process (processMemory); what needs more is refused before anything is allocated. Default for what is opened: the
   * limit of the control group, where there is one.
   */
  readonly memoryLimit?: number;
  /** Also scores texts, so many at once: each has a KV cache of its own. Default: it only generates. */
  readonly scoring?: { readonly sequences: number };
}

/** How the next token is chosen; what is not given is off. The names are those of the slots. */
export interface Sampling {
  /** 0 (default): always the most likely token. */
  readonly temperature?: number;
  /** Only the so many most likely tokens. */
  readonly top_k?: number;
  /** Only the most likely tokens whose probabilities together reach this. */
  readonly top_p?: number;
  /** Only tokens at least this probable relative to the most likely one. */
  readonly min_p?: number;
  /** Positive logits of tokens in the cache are divided by this, the others multiplied. */
  readonly repetition_penalty?: number;
  /** Same seed, same text. */
  readonly seed?: number;
}

export interface GenerationLimits extends Sampling {
  readonly maxTokens: number;
  /** Generation ends after this token, which is not returned. */
  readonly endToken?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_ROWS = 128;

/** The program that generates with this model, everything placed and nothing allocated. */
export function compileGeneration(file: ModelFile, setup: GenerationSetup = {}): Program {
  const { type = "file", threads = 1, memoryLimit, inProcess, context = file.config.context } = setup;
  const rows = Math.min(setup.rows ?? DEFAULT_ROWS, context);
  const spec = { config: file.config, dtype: weightDtypes(file.gguf, type), activations: setup.activations };
  const sequences = setup.scoring?.sequences ?? 1;
  const outputs = setup.scoring ? outputsFor(file.config.vocabulary) : 1;
  const { cacheType } = setup;
  const score = setup.scoring !== undefined;
  const program = compile(
    { generate: generateGraph(spec, { context, caches: sequences, rows, cacheType, score }) },
    { slots: { rows, sequences, outputs }, threads, arenaBytes: STAGING_BYTES },
  );
  checkProcess(program, memoryLimit, { header: file.gguf, inProcess });
  return program;
}

/** Rows whose logits exist at once while texts are scored: 4 MiB of them. */
function outputsFor(vocabulary: number): number {
  return Math.min(64, Math.max(1, Math.floor(2 ** 20 / vocabulary)));
}

/** A model with a KV cache of one conversation. It knows the tokens in its cache: a prompt costs only what is new in it. */
export class Generator {
  readonly engine: Engine;
  /** Rows that went through the model. */
  rows = 0;
  /** What each KV cache holds; the conversation is in the first. */
  readonly caches: readonly CachedTokens[];
  private running: Promise<unknown> = Promise.resolve();

  private constructor(engine: Engine) {
    this.engine = engine;
    const { program } = engine;
    const layers = layerCaches(program.plans.get("generate")!.lowered.calls[0].node.graph);
    this.caches = Array.from({ length: program.slots.sequences }, () => new CachedTokens(layers));
  }

  /** `program`: where it was compiled already, with the same setup. */
  static async open(file: ModelFile, setup: GenerationSetup = {}, program?: Program): Promise<Generator> {
    program ??= compileGeneration(file, { ...setup, memoryLimit: memoryLimitOf(setup.memoryLimit) });
    const engine = await Engine.open(program, { inProcess: setup.inProcess });
    await loadWeights(engine, file.config, file.gguf);
    const generator = new Generator(engine);
    generator.reset();
    return generator;
  }

  /** Forgets the conversation: the next tokens start at position 0. */
  reset(): void {
    const { program } = this.engine;
    const plan = program.plans.get("generate")!;
    const record = this.engine.u32("session");
    const set = (at: number, value: number) => {
      record[at / 4] = value;
    };
    set(layout.SESSION_PLAN, plan.offset);
    set(layout.SESSION_BODY_FIRST, plan.ranges.body[0]);
    set(layout.SESSION_BODY_LAST, plan.ranges.body[1]);
    set(layout.SESSION_HEAD_LAST, plan.ranges.head[1]);
    set(layout.SESSION_ROWS, program.slots.rows);
    set(layout.SESSION_CONTEXT, this.context);
    const addresses = ["token", "position", "sequence", "sequences", "output_row", "next_token"];
    addresses.forEach((name, i) => {
      set(layout.SESSION_TOKENS + 4 * i, this.engine.place(name).offset);
    });
    set(layout.SESSION_ADAPTER, layout.NO_ADAPTER);
    set(layout.SESSION_END_COUNT, 0);
    this.keep(0);
  }

  get context(): number {
    return this.engine.u32("prompt").length;
  }

  /** Tokens in the cache. */
  get position(): number {
    return this.engine.u32("session")[layout.SESSION_POSITION / 4];
  }

  /** The tokens in the cache. */
  get tokens(): readonly number[] {
    return this.caches[0].tokens;
  }

  /** Logits of the token that follows what was fed last; valid until the next call. */
  get logits(): Float32Array {
    return this.engine.f32("logits");
  }

  /** Sets how the tokens to come are chosen. */
  sample({
    temperature = 0,
    seed = 0,
    top_k = 0,
    top_p = 1,
    min_p = 0,
    repetition_penalty = 1,
  }: Sampling): void {
    this.engine.host.control.setSlots({ temperature, seed, top_k, top_p, min_p, repetition_penalty });
  }

  /** Writes the tokens that end a generation into the session, for a host that runs the wasm's own loop on this memory. */
  endTokens(tokens: Iterable<number>): void {
    const ends = [...tokens];
    if (ends.length > layout.SESSION_ENDS_MAX)
      throw new InputError(
        `generate: ${ends.length} tokens that end a generation; a session holds ${layout.SESSION_ENDS_MAX}`,
      );
    const record = this.engine.u32("session");
    record[layout.SESSION_END_COUNT / 4] = ends.length;
    record.set(ends, layout.SESSION_END_TOKENS / 4);
  }

  /**
   * Keeps what the cache has in common with a text and forgets the rest; returns how many tokens that are. At least one token of the text
   * is left to be fed, so that logits follow.
   */
  rewind(text: ArrayLike<number>): number {
    const common = this.caches[0].usable(text, text.length - 1);
    this.keep(common);
    return common;
  }

  /** Forgets what follows the first `length` tokens. */
  keep(length: number): void {
    this.caches[0].keep(length);
    this.engine.u32("session")[layout.SESSION_POSITION / 4] = length;
  }

  /** Runs tokens through the model after those in the cache; returns the sampled next token. */
  async feed(tokens: ArrayLike<number>, signal?: AbortSignal): Promise<number> {
    const before = this.position;
    if (before + tokens.length > this.context)
      throw new InputError(
        `generate: ${before} + ${tokens.length} tokens do not fit the context of ${this.context}; ask for a larger one or a shorter prompt`,
      );
    const { host } = this.engine;
    this.engine.u32("prompt").set(tokens);
    const [session, prompt] = ["session", "prompt"].map((name) => this.engine.place(name).offset);
    signal?.throwIfAborted();
    this.caches[0].writes(tokens.length);
    try {
      const call = this.engine.call("feed", [session, prompt, tokens.length], signal);
      this.running = call.catch(() => undefined);
      const status = await call;
      if (status === layout.STATUS_ABORTED)
        throw signal?.reason ?? new DOMException("generate: aborted", "AbortError");
      if (status !== layout.STATUS_DONE) throw planError(host.memory);
    } finally {
      const done = this.position - before;
      this.rows += done;
      this.caches[0].wrote(tokens, done);
    }
    return this.engine.u32("next_token")[0];
  }

  /**
   * The tokens after a prompt, as they come, until the limit, the end token, or a full context. Only what follows the prompt's common
   * beginning with the tokens in the cache is computed.
   */
  async *generate(prompt: ArrayLike<number>, limits: GenerationLimits): AsyncGenerator<number, void> {
    const { maxTokens, endToken, signal } = limits;
    this.sample(limits);
    const common = this.rewind(prompt);
    let token = await this.feed(Array.prototype.slice.call(prompt, common), signal);
    for (let made = 1; token !== endToken; made++) {
      yield token;
      if (made >= maxTokens || this.position >= this.context) return;
      token = await this.feed([token], signal);
    }
  }

  /** Resolves when nothing is running. */
  async idle(): Promise<void> {
    await this.running;
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}
