import { fileDtypes } from "../../engine/dtypes/index.ts";
import { type TensorToWrite, writeGguf } from "../files/gguf_write.ts";
import type { MetadataValue } from "../files/metadata.ts";
import type { ModelConfig, WeightSpec } from "./config.ts";
import { familyOf, modelWeights } from "./family.ts";
import { ROPE_FACTORS } from "./from_gguf.ts";

type Pair = readonly [string, MetadataValue];

/** Writes a model as F32 GGUF: weights row-major under their Hugging Face names, further metadata such as the vocabulary as given. */
export function saveModel(
  path: string,
  config: ModelConfig,
  weight: (name: string) => Float32Array,
  metadata: Iterable<Pair>,
): Promise<void> {
  const type = fileDtypes.f32;
  const tensors: TensorToWrite[] = modelWeights(config).map((spec) => ({
    name: spec.tensor,
    shape: spec.shape,
    type,
    data: () => type.encode(inFile(spec, config, weight(spec.name))),
  }));
  const factors = config.ropeFactors;
  if (factors)
    tensors.push({
      name: ROPE_FACTORS,
      shape: [factors.length],
      type,
      data: () => type.encode(Float32Array.from(factors)),
    });
  return writeGguf(path, [...architectureMetadata(config), ...metadata], tensors);
}

/** The values of a weight with their rows in the order of the file. */
function inFile(spec: WeightSpec, config: ModelConfig, values: Float32Array): Float32Array {
  const fileRow = familyOf(config).fileRow(spec, config);
  if (!fileRow) return values;
  const columns = spec.shape[spec.shape.length - 1];
  const found = new Float32Array(values.length);
  for (let row = 0; row * columns < values.length; row++)
    found.set(values.subarray(row * columns, (row + 1) * columns), fileRow(row) * columns);
  return found;
}

function architectureMetadata(config: ModelConfig): Pair[] {
  const { architecture: name } = config;
  const integers = {
    block_count: config.layers,
    context_length: config.context,
    embedding_length: config.channels,
    feed_forward_length: config.feedForward,
    "attention.head_count": config.heads,
    "attention.head_count_kv": config.kvHeads,
    "attention.key_length": config.headSize,
    "attention.value_length": config.headSize,
    "rope.dimension_count": config.headSize,
    vocab_size: config.vocabulary,
  };
  const floats = { "attention.layer_norm_rms_epsilon": config.eps, "rope.freq_base": config.ropeBase };
  const scaling: Pair[] = config.ropeScaling
    ? [
        [`${name}.rope.scaling.type`, { type: "string", value: "linear" }],
        [`${name}.rope.scaling.factor`, { type: "float32", value: config.ropeScaling }],
      ]
    : [];
  return [
    ["general.architecture", { type: "string", value: name }],
    ...Object.entries(integers).map(([key, value]): Pair => [`${name}.${key}`, { type: "uint32", value }]),
    ...Object.entries(floats).map(([key, value]): Pair => [`${name}.${key}`, { type: "float32", value }]),
    ...scaling,
    ...familyOf(config).metadata(config),
  ];
}
