import { fileDtypes } from "../../engine/dtypes/index.ts";
import { writeGguf } from "../files/gguf_write.ts";
import type { MetadataValue } from "../files/metadata.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf, modelWeights } from "./family.ts";
import { ggufName } from "./from_gguf.ts";

type Pair = readonly [string, MetadataValue];

/** Writes a model as F32 GGUF: weights row-major under their Hugging Face names, further metadata such as the vocabulary as given. */
export function saveModel(
  path: string,
  config: ModelConfig,
  weight: (name: string) => Float32Array,
  metadata: Iterable<Pair>,
): Promise<void> {
  const tensors = modelWeights(config).map((spec) => ({
    name: ggufName(spec.name),
    shape: spec.shape,
    type: fileDtypes.f32,
    data: () => {
      const values = weight(spec.name);
      const columns = spec.shape[spec.shape.length - 1];
      const fileRow = familyOf(config).fileRow(spec, config);
      if (!fileRow) return fileDtypes.f32.encode(values);
      const inFile = new Float32Array(values.length);
      for (let row = 0; row * columns < values.length; row++)
        inFile.set(values.subarray(row * columns, (row + 1) * columns), fileRow(row) * columns);
      return fileDtypes.f32.encode(inFile);
    },
  }));
  return writeGguf(path, [...architectureMetadata(config), ...metadata], tensors);
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
  return [
    ["general.architecture", { type: "string", value: name }],
    ...Object.entries(integers).map(([key, value]): Pair => [`${name}.${key}`, { type: "uint32", value }]),
    ...Object.entries(floats).map(([key, value]): Pair => [`${name}.${key}`, { type: "float32", value }]),
  ];
}
