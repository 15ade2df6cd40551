/** The training graph in the f64 interpreter, fed with what a trainer has in its io. */
import { SEQUENCE_SCALE } from "../../kernels/layout.ts";
import type { Graph, Node, Value } from "../../src/engine/graph/graph.ts";
import type { Engine } from "../../src/engine/host/engine.ts";
import type { Tensor } from "../../src/engine/ops/op.ts";
import { adamwOp, initialSchedule } from "../../src/engine/ops/optimizer.ts";
import { SEQUENCE_COLUMNS } from "../../src/engine/ops/sequences.ts";
import { interpret } from "../../src/engine/transform/reference.ts";
import type { ModelConfig } from "../../src/llm/models/config.ts";
import { type ModelSpec, type TrainOptions, trainGraph } from "../../src/llm/models/graphs.ts";

export type Sizes = { rows: number; sequences: number; outputs: number };

export class ReferenceTrainer {
  readonly graph: Graph;
  private readonly values = new Map<Value, Tensor>();

  /** `initial` gives the values of weights and parameters by name; the rest of the state starts as zeros. */
  constructor(
    model: ModelSpec,
    options: TrainOptions,
    initial: (name: string) => ArrayLike<number> | undefined,
  ) {
    this.graph = trainGraph(model, options);
    for (const node of this.graph.leaves()) {
      const { kind, name } = node.leaf!;
      const shape = node.outputs[0].shape as number[];
      const zeros = () => new Float64Array(shape.reduce((a, b) => a * b, 1));
      if (name.startsWith("rotary")) this.set(name, shape, rotary64(shape, model.config, name));
      else if (kind === "weight" || kind === "state")
        this.set(name, shape, Float64Array.from(initial(name) ?? zeros()));
    }
    this.set("schedule", [8], initialSchedule().data);
  }

  /** What the engine's trainer has written for its last micro-batch; returns the loss sum. */
  accumulate(engine: Engine, sizes: Sizes): number {
    const { rows, sequences, outputs } = sizes;
    for (const name of ["token", "position", "sequence"])
      this.set(name, [rows], Float64Array.from(engine.u32(name).subarray(0, rows)));
    for (const name of ["output_row", "target"])
      this.set(name, [outputs], Float64Array.from(engine.u32(name).subarray(0, outputs)));
    this.set("weight", [outputs], Float64Array.from(engine.f32("weight").subarray(0, outputs)));
    const table = Float64Array.from(engine.u32("sequences").subarray(0, sequences * SEQUENCE_COLUMNS));
    for (let at = SEQUENCE_SCALE / 4; at < table.length; at += SEQUENCE_COLUMNS)
      table[at] = engine.f32("sequences")[at];
    this.set("sequences", [sequences, SEQUENCE_COLUMNS], table);
    this.set("loss_sum", [1, 1], new Float64Array(1));
    interpret(this.graph, this.values, sizes, this.nodes("accumulate"));
    return this.get("loss_sum")[0];
  }

  apply(learningRate: number): void {
    const nodes = this.nodes("apply").map((node) =>
      node.op === adamwOp ? { ...node, attributes: { ...node.attributes, learningRate } } : node,
    );
    interpret(this.graph, this.values, { rows: 0, sequences: 0, outputs: 0 }, nodes);
  }

  get(name: string): Float64Array {
    return this.values.get(this.graph.find(name)!)!.data;
  }

  private set(name: string, shape: readonly number[], data: Float64Array): void {
    this.values.set(this.graph.find(name)!, { shape, data });
  }

  private nodes(range: string): Node[] {
    const { ranges, nodes } = this.graph;
    const index = ranges.findIndex(({ name }) => name === range);
    return nodes.slice(ranges[index].first, ranges[index + 1]?.first);
  }
}

function rotary64([context, d]: readonly number[], config: ModelConfig, name: string): Float64Array {
  const local = name === "rotary_local";
  const base = local ? config.ropeBaseLocal! : config.ropeBase;
  const scaling = local ? 1 : (config.ropeScaling ?? 1);
  return Float64Array.from({ length: context * d }, (_, at) => {
    const [position, column] = [Math.floor(at / d), at % d];
    const angle = (position / scaling) * base ** ((-2 * (column % (d / 2))) / d);
    return column < d / 2 ? Math.cos(angle) : Math.sin(angle);
  });
}
