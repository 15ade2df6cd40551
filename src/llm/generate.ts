/** Text generation with a KV cache: the loop itself is in kernels/session, the same for every host. */
import * as layout from "../../kernels/layout.ts";
import { Engine } from "../engine/host/engine.ts";
import { planError } from "../engine/host/errors.ts";
import { compile, type Program } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import type { ModelFile } from "./model_file.ts";
import { type Activations, generateGraph } from "./models/graphs.ts";
import { loadWeights, STAGING_BYTES, type WeightType, weightDtypes } from "./models/load.ts";

export interface GenerationSetup {
  /** Weights as the file has them, or encoded anew. */
  readonly type?: WeightType;
  readonly activations?: Activations;
  /** Positions of the KV cache; default: what the model was trained for. */
  readonly context?: number;
  /** Rows of a prompt that run at once. */
  readonly rows?: number;
  readonly threads?: number;
  readonly inProcess?: boolean;
  /** In bytes; a program that needs more is refused before anything is allocated. */
  readonly memoryLimit?: number;
}

export interface Sampling {
  readonly maxTokens: number;
  /** 0: always the most likely token. */
  readonly temperature?: number;
  readonly seed?: number;
  /** Generation ends after this token, which is not returned. */
  readonly endToken?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_ROWS = 128;

/** The program that generates with this model, everything placed and nothing allocated. */
export function compileGeneration(file: ModelFile, setup: GenerationSetup = {}): Program {
  const { type = "file", threads = 1, memoryLimit, context = file.config.context } = setup;
  const rows = Math.min(setup.rows ?? DEFAULT_ROWS, context);
  const spec = { config: file.config, dtype: weightDtypes(file.gguf, type), activations: setup.activations };
  return compile(
    { generate: generateGraph(spec, { context, caches: 1 }) },
    { slots: { rows, sequences: 1, outputs: 1 }, threads, memoryLimit, arenaBytes: STAGING_BYTES },
  );
}

export class Generator {
  readonly engine: Engine;

  private constructor(engine: Engine) {
    this.engine = engine;
  }

  static async open(file: ModelFile, setup: GenerationSetup = {}): Promise<Generator> {
    const program = compileGeneration(file, setup);
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
    set(layout.SESSION_POSITION, 0);
    set(layout.SESSION_ADAPTER, layout.NO_ADAPTER);
  }

  get context(): number {
    return this.engine.u32("prompt").length;
  }

  /** Tokens in the cache. */
  get position(): number {
    return this.engine.u32("session")[layout.SESSION_POSITION / 4];
  }

  /** Logits of the token that follows what was fed last; valid until the next call. */
  get logits(): Float32Array {
    return this.engine.f32("logits");
  }

  /** Runs tokens through the model after those in the cache; returns the sampled next token. */
  async feed(tokens: ArrayLike<number>): Promise<number> {
    if (this.position + tokens.length > this.context)
      throw new InputError(
        `generate: ${this.position} + ${tokens.length} tokens do not fit the context of ${this.context}; ask for a larger one or a shorter prompt`,
      );
    this.engine.u32("prompt").set(tokens);
    const [session, prompt] = ["session", "prompt"].map((name) => this.engine.place(name).offset);
    const status = await this.engine.call("feed", session, prompt, tokens.length);
    if (status === layout.STATUS_ABORTED) throw new DOMException("generate: aborted", "AbortError");
    if (status !== layout.STATUS_DONE) throw planError(this.engine.host.memory);
    return this.engine.u32("next_token")[0];
  }

  /** The tokens after a prompt, as they come, until the limit, the end token, or a full context. */
  async *generate(prompt: ArrayLike<number>, sampling: Sampling): AsyncGenerator<number, void> {
    const { maxTokens, temperature = 0, seed = 0, endToken, signal } = sampling;
    const { host } = this.engine;
    host.control.setSlots({ temperature, seed });
    const stop = () => host.abort();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      signal?.throwIfAborted();
      let token = await this.feed(prompt);
      for (let made = 1; token !== endToken; made++) {
        yield token;
        if (made >= maxTokens || this.position >= this.context) return;
        signal?.throwIfAborted();
        token = await this.feed([token]);
      }
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}
