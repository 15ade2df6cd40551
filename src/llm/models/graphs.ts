/** The graphs that a model is run with: `generate` (with KV cache), `score` (without) and `train`. */
import { SESSION_BYTES } from "../../../kernels/layout.ts";
import { type CacheType, cacheDtypes } from "../../engine/dtypes/cache.ts";
import { type Dim, type DtypeName, Graph, type Value } from "../../engine/graph/graph.ts";
import { adapterLinear } from "../../engine/ops/adapter_linear.ts";
import { attention } from "../../engine/ops/attention.ts";
import { crossEntropy } from "../../engine/ops/cross_entropy.ts";
import {
  type AdamW,
  adamw,
  NORM_PIECE,
  optimizerSchedule,
  SCHEDULE_WORDS,
  sumSquares,
} from "../../engine/ops/optimizer.ts";
import { add, fill, gather, reshape, sum } from "../../engine/ops/primitives.ts";
import { historyWrite, sample } from "../../engine/ops/sample.ts";
import { SEQUENCE_COLUMNS } from "../../engine/ops/sequences.ts";
import { accumulate, cacheWrite, store } from "../../engine/ops/state.ts";
import { quantizeActivations } from "../../engine/transform/activations.ts";
import { gradientOf } from "../../engine/transform/gradient.ts";
import { cacheCapacity, checkCacheType } from "./caches.ts";
import type { ModelConfig, Role, WeightSpec } from "./config.ts";
import { familyOf, modelWeights, type RotaryName } from "./family.ts";

/** Low-rank adapters on the linears of these roles: `adapters` of them in one bank, chosen per sequence. */
export interface AdapterBank {
  readonly rank: number;
  readonly roles: readonly Role[];
  readonly adapters: number;
}

export interface ModelSpec {
  readonly config: ModelConfig;
  /** Dtype of every weight in memory. */
  dtype(spec: WeightSpec): DtypeName;
  readonly bank?: AdapterBank;
  /** What linears over quantized weights read at inference: int8 records (default), or f32 as in training. */
  readonly activations?: Activations;
}

export type Activations = "int8" | "f32";

/** Positions of the rotary table: the longest sequence that the program can hold. */
export interface GenerateOptions {
  readonly context: number;
  readonly caches: number;
  /** Adds the range `score`; tokens are then sampled for one row only. */
  readonly score?: boolean;
  /** Dtype of the KV cache; default f32. */
  readonly cacheType?: CacheType;
  /**
   * Most rows of a run: layers that see a window then keep a ring of window + rows keys (caches.ts). Without it every layer keeps
   * `context` keys.
   */
  readonly rows?: number;
}

export interface TrainOptions extends AdamW {
  readonly context: number;
  /** Largest gradient norm; 0: no clipping. */
  readonly maxNorm: number;
  /** Train every weight, or only the adapters. */
  readonly full: boolean;
}

/**
 * Prefill and decode in one plan: rows → the next token of each output row. Range `body` computes hidden states and fills the cache, range
 * `head` logits and tokens; state: the KV cache, `caches` × `context` keys a layer, or less where a layer sees a window. Range `score`, which
 * may be run again with other rows, gives after `body` the loss (O,1) = weight · −log p(target) of the rows `score_row`, in nats.
 */
export function generateGraph(
  model: ModelSpec,
  { context, caches, cacheType = "f32", rows: most = context, score = false }: GenerateOptions,
): Graph {
  const builder = new Builder(model, context, false, score ? 1 : "outputs");
  const { graph, rows } = builder;
  const { config } = model;
  const width = config.kvHeads * config.headSize;
  checkCacheType(cacheType, config.headSize);
  graph.range("body");
  const history = graph.leaf("state", "history", [caches * context], "u32");
  historyWrite(history, rows, { context, caches });
  const hidden = familyOf(config).hidden(config, {
    ...builder.wiring(),
    attend: (layer, q, k, v) => {
      const shape = builder.attention(layer);
      const size = { context, caches, capacity: cacheCapacity(context, shape.window, most) };
      const [keys, values] = ["k", "v"].map((name) => {
        const rows = [caches * size.capacity, width];
        return graph.leaf("state", `cache.${layer}.${name}`, rows, cacheDtypes[cacheType].leaf);
      });
      cacheWrite(keys, k, rows, size);
      cacheWrite(values, v, rows, size);
      return attention({ q, k: keys, v: values, ...rows }, { ...shape, ...size });
    },
  });
  graph.range("head");
  graph.leaf("input", "session", [SESSION_BYTES / 4], "u32");
  graph.leaf("input", "prompt", [context], "u32");
  const logits = builder.head(hidden);
  store(graph.leaf("output", "logits", logits.shape), logits);
  const next = sample(
    { logits, history, ...builder.rows, output_row: builder.outputRow },
    { context, caches },
  );
  store(graph.leaf("output", "next_token", next.shape, "u32"), next);
  if (score) {
    graph.range("score");
    const { loss } = builder.loss(builder.head(hidden, graph.leaf("input", "score_row", ["outputs"], "u32")));
    store(graph.leaf("output", "loss", loss.shape), loss);
  }
  return builder.finished();
}

/**
 * Log-likelihood of given targets without a cache. Range `body` computes hidden states of all rows, range `head`, which may be run again
 * with other output rows, logits (O,V) and loss (O,1) = weight · −log p(target), in nats: no T × V logits ever exist.
 */
export function scoreGraph(model: ModelSpec, { context }: { context: number }): Graph {
  const builder = new Builder(model, context, false);
  builder.graph.range("body");
  const hidden = builder.hidden();
  builder.graph.range("head");
  const logits = builder.head(hidden);
  const { loss } = builder.loss(logits);
  store(builder.graph.leaf("output", "logits", logits.shape), logits);
  store(builder.graph.leaf("output", "loss", loss.shape), loss);
  return builder.finished();
}

/**
 * One training step in two ranges. `accumulate`, once a micro-batch: loss and gradients, summed into state; `apply`: gradient norm,
 * clipping, AdamW. Losses are Σ weight·loss; the division by Σ weight is in `apply`, over all micro-batches together.
 */
export function trainGraph(model: ModelSpec, options: TrainOptions): Graph {
  const builder = new Builder(model, options.context, options.full);
  const { graph } = builder;
  graph.range("accumulate");
  const { loss, weight } = builder.loss(builder.head(builder.hidden()));
  const total = sum(loss, 0);
  store(graph.leaf("output", "loss_sum", [1, 1]), total);
  const weightSum = graph.leaf("state", "weight_sum", [1, 1]);
  accumulate(weightSum, sum(weight, 0));

  const trained = builder.trained.map((parameter) => {
    const { name } = parameter.node.leaf!;
    const state = (kind: string) => graph.leaf("state", `${kind}.${name}`, parameter.shape);
    return { parameter, gradient: state("gradient"), m: state("moment1"), v: state("moment2") };
  });
  const gradients = gradientOf([total], [fill(total, [1, 1], 1)], builder.trained);
  gradients.forEach((gradient, i) => {
    accumulate(trained[i].gradient, gradient!);
  });

  graph.range("apply");
  const schedule = graph.leaf("state", "schedule", [SCHEDULE_WORDS]);
  const counts = trained.map(({ parameter }) => Math.ceil(elementCount(parameter) / NORM_PIECE));
  const pieces = graph.leaf("state", "norm_pieces", [counts.reduce((a, b) => a + b, 0)]);
  let first = 0;
  trained.forEach(({ gradient }, i) => {
    sumSquares(pieces, gradient, first);
    first += counts[i];
  });
  optimizerSchedule(schedule, weightSum, pieces, options);
  for (const state of trained) {
    const { beta1, beta2, eps } = options;
    const weightDecay = state.parameter.shape.length > 1 ? options.weightDecay : 0;
    adamw(state, schedule, { beta1, beta2, eps, weightDecay });
  }
  return graph;
}

/** Name of half `a` (rank, in) or `b` (out, rank) of the adapters at a linear. */
export function adapterName(layer: number, role: Role, half: "a" | "b"): string {
  return `adapter.${layer}.${role}.${half}`;
}

function elementCount(value: Value): number {
  return (value.shape as readonly number[]).reduce((a, b) => a * b, 1);
}

/** What the three graphs have in common: leaves, weights, adapters, head. */
class Builder {
  readonly graph = new Graph();
  readonly rows: Record<"token" | "position" | "sequence" | "sequences", Value>;
  readonly trained: Value[] = [];
  private readonly model: ModelSpec;
  private readonly full: boolean;
  readonly outputRow: Value;
  private readonly rotary = new Map<RotaryName, Value>();

  constructor(model: ModelSpec, context: number, full: boolean, outputs: Dim = "outputs") {
    const { graph } = this;
    this.model = model;
    this.full = full;
    const input = (name: string) => graph.leaf("input", name, ["rows"], "u32");
    this.rows = {
      token: input("token"),
      position: input("position"),
      sequence: input("sequence"),
      sequences: graph.leaf("input", "sequences", ["sequences", SEQUENCE_COLUMNS], "u32"),
    };
    this.outputRow = graph.leaf("input", "output_row", [outputs], "u32");
    const { config } = model;
    const layers = Array.from({ length: config.layers }, (_, layer) => layer);
    const used = new Set(layers.map((layer) => familyOf(config).attention(config, layer).rotary));
    for (const name of [...used].sort())
      this.rotary.set(name, graph.leaf("weight", name, [context, config.headSize]));
    this.declareState();
  }

  /** How a layer attends: shape, scale, and how many keys a row sees (0: all). */
  attention(layer: number) {
    const { config } = this.model;
    const { heads, kvHeads, headSize: d } = config;
    const { window, scale } = familyOf(config).attention(config, layer);
    return { heads, kvHeads, d, scale, window };
  }

  /** Parameters come first in state, in the model's order. */
  private declareState(): void {
    const { graph, model } = this;
    if (this.full)
      for (const { name, shape } of modelWeights(model.config))
        this.trained.push(graph.leaf("state", name, shape));
    if (!model.bank) return;
    const { rank, roles, adapters } = model.bank;
    for (const { layer, role, shape } of modelWeights(model.config)) {
      if (layer === undefined || !(roles as readonly string[]).includes(role)) continue;
      const [out, into] = shape;
      const leaf = (half: "a" | "b", size: readonly number[]) =>
        graph.leaf("state", adapterName(layer, role as Role, half), [adapters, ...size]);
      this.trained.push(leaf("a", [rank, into]), leaf("b", [out, rank]));
    }
  }

  wiring() {
    const { token, position } = this.rows;
    const { config } = this.model;
    return {
      token,
      position,
      rotary: (layer: number) => this.rotary.get(familyOf(config).attention(config, layer).rotary)!,
      weight: (spec: WeightSpec) => this.weight(spec),
      adapt: (role: Role, layer: number, x: Value, y: Value) => this.adapt(role, layer, x, y),
    };
  }

  /** Hidden states without a cache: the keys are the batch's own rows. */
  hidden(): Value {
    const { config } = this.model;
    return familyOf(config).hidden(config, {
      ...this.wiring(),
      attend: (layer, q, k, v) =>
        attention(
          { q, k, v, ...this.rows },
          { ...this.attention(layer), context: 0, caches: 0, capacity: 0 },
        ),
    });
  }

  head(hidden: Value, rows = this.outputRow): Value {
    const { config } = this.model;
    return familyOf(config).head(config, gather(hidden, rows), (spec) => this.weight(spec));
  }

  loss(logits: Value): { loss: Value; weight: Value } {
    const target = this.graph.leaf("input", "target", ["outputs"], "u32");
    const weight = this.graph.leaf("input", "weight", ["outputs"]);
    const [loss] = crossEntropy(logits, target, weight);
    return { loss, weight: reshape(weight, ["outputs", 1]) };
  }

  /** The graph, its activations as the model asks for them. */
  finished(): Graph {
    return this.model.activations === "f32" ? this.graph : quantizeActivations(this.graph);
  }

  private weight(spec: WeightSpec): Value {
    return (
      this.graph.find(spec.name) ?? this.graph.leaf("weight", spec.name, spec.shape, this.model.dtype(spec))
    );
  }

  private adapt(role: Role, layer: number, x: Value, y: Value): Value {
    const a = this.graph.find(adapterName(layer, role, "a"));
    const b = this.graph.find(adapterName(layer, role, "b"));
    if (!a || !b) return y;
    const { sequence, sequences } = this.rows;
    return add(
      y,
      adapterLinear(adapterLinear(x, a, sequence, sequences, false), b, sequence, sequences, true),
    );
  }
}
