/** What a GGUF file says of a model: sizes from its metadata, and that its weights are there. */
import { closest } from "fastest-levenshtein";
import { ANGLE_MAX } from "../../engine/math.ts";
import { InputError } from "../../errors.ts";
import type { Gguf, GgufHeader, TensorInfo } from "../files/gguf.ts";
import type { Metadata } from "../files/metadata.ts";
import type { ModelConfig, WeightSpec } from "./config.ts";
import { families, familyOf, modelWeights } from "./family.ts";
import { checkSettings } from "./settings.ts";

const SIZE_MAX = 1 << 24;
const LAYERS_MAX = 1024;
/** Where the file says none. */
const ROPE_BASE = 10000;
export const ROPE_FACTORS = "rope_freqs.weight";

/** `configFromGguf`, and what of the configuration stands in tensors: the factors of rotary frequencies. */
export async function readConfig(gguf: Gguf): Promise<ModelConfig> {
  const config = configFromGguf(gguf);
  const tensor = gguf.tensors.get(ROPE_FACTORS);
  if (!tensor || !familyOf(config).ropeFactors) return config;
  const ropeFactors = Array.from(tensor.type.decode(await gguf.readRows(tensor, 0, tensor.rows)));
  const at = ropeFactors.findIndex((factor) => !(Number.isFinite(factor) && factor > 0));
  if (at >= 0)
    throw new InputError(
      `${config.architecture}: ${gguf.metadata.file}: tensor "${ROPE_FACTORS}" holds ${ropeFactors[at]} at ${at}; factors must be finite and above 0`,
    );
  return { ...config, ropeFactors };
}

/** Reads and checks sizes; every weight must be there with the shape that they ask for, and no tensor that the family would not use. */
export function configFromGguf({ metadata, tensors }: GgufHeader): ModelConfig {
  const architecture = metadata.name("general.architecture");
  if (!Object.hasOwn(families, architecture))
    throw new InputError(
      `gguf: ${metadata.file}: architecture "${architecture}" is unknown; known are ${Object.keys(families).join(", ")}`,
    );
  const size = (key: string, fallback?: number) =>
    metadata.integer(`${architecture}.${key}`, 1, SIZE_MAX, fallback);
  const channels = size("embedding_length");
  const heads = size("attention.head_count");
  const embedding = requireTensor(metadata.file, architecture, tensors, "token_embd.weight");
  const sizes: ModelConfig = {
    architecture,
    layers: size("block_count"),
    channels,
    heads,
    kvHeads: size("attention.head_count_kv", heads),
    headSize: size("attention.key_length", Math.max(1, Math.floor(channels / heads))),
    feedForward: size("feed_forward_length"),
    vocabulary: embedding.shape[0],
    context: size("context_length"),
    ropeBase: ropeBase(metadata, architecture),
    ...ropeScaling(metadata, architecture),
    eps: metadata.number(`${architecture}.attention.layer_norm_rms_epsilon`),
    tied: !tensors.has("output.weight"),
  };
  checkSizes(metadata, sizes);
  const config = { ...sizes, ...families[architecture].settings(metadata, sizes) };
  checkSettings(metadata, config);
  checkTensors(metadata.file, tensors, config);
  return config;
}

/** The second key is in the files of Ollama. */
function ropeBase(metadata: Metadata, architecture: string): number {
  const global = metadata.number(`${architecture}.rope.global.freq_base`, ROPE_BASE);
  return metadata.number(`${architecture}.rope.freq_base`, global);
}

/** Linear scaling of positions, under its present and its first key. */
function ropeScaling(metadata: Metadata, architecture: string): Pick<ModelConfig, "ropeScaling"> {
  const key = `${architecture}.rope.scaling.type`;
  const type = metadata.string(key, "linear");
  if (type !== "linear" && type !== "none")
    throw new InputError(
      `${architecture}: ${metadata.file}: metadata "${key}" is "${type}"; rotary scaling of type linear is computed, or none`,
    );
  const first = metadata.number(`${architecture}.rope.scale_linear`, 0);
  const factor = metadata.number(`${architecture}.rope.scaling.factor`, first);
  if (!(Number.isFinite(factor) && factor >= 0))
    throw new InputError(
      `${architecture}: ${metadata.file}: metadata "${architecture}.rope.scaling.factor" is ${factor}; must be finite and above 0`,
    );
  return type === "none" || factor === 0 || factor === 1 ? {} : { ropeScaling: factor };
}

function checkSizes({ file }: Metadata, config: ModelConfig): void {
  const { architecture, channels, heads, kvHeads, headSize, layers, ropeBase, eps } = config;
  const { context, ropeScaling: scaling = 1 } = config;
  const rule = (holds: boolean, text: string) => {
    if (!holds) throw new InputError(`${architecture}: ${file}: ${text}`);
  };
  rule(heads % kvHeads === 0, `${heads} heads must be a multiple of ${kvHeads} key-value heads`);
  rule(headSize % 4 === 0, `head size ${headSize} must be a multiple of 4`);
  rule(heads * headSize <= SIZE_MAX, `${heads} heads of ${headSize} are more than ${SIZE_MAX} channels`);
  rule(channels <= SIZE_MAX, `${channels} channels; at most ${SIZE_MAX}`);
  rule(layers <= LAYERS_MAX, `${layers} layers; at most ${LAYERS_MAX}`);
  rule(
    Number.isFinite(ropeBase) && ropeBase > 1,
    `rope.freq_base is ${ropeBase}; must be finite and above 1`,
  );
  rule(
    context / scaling <= ANGLE_MAX,
    `${context} positions divided by rope.scaling.factor ${scaling} are ${context / scaling}; at most ${ANGLE_MAX}`,
  );
  rule(Number.isFinite(eps) && eps > 0, `layer_norm_rms_epsilon is ${eps}; must be finite and above 0`);
}

/** Every weight with its shape, and nothing else that a forward pass would need. */
function checkTensors(file: string, tensors: GgufHeader["tensors"], config: ModelConfig): void {
  const { architecture, headSize } = config;
  const family = familyOf(config);
  const known = new Set<string>();
  for (const spec of modelWeights(config)) {
    known.add(spec.tensor);
    checkShape(file, architecture, requireTensor(file, architecture, tensors, spec.tensor), spec.shape);
  }
  const factors = tensors.get(ROPE_FACTORS);
  if (factors && family.ropeFactors) {
    known.add(ROPE_FACTORS);
    checkShape(file, architecture, factors, [headSize / 2]);
  }
  for (const name of tensors.keys()) {
    if (known.has(name) || family.ignored.some((pattern) => pattern.test(name))) continue;
    const what = name.endsWith(".bias") ? "a bias, and the family has none" : "none of the family's weights";
    throw new InputError(
      `${architecture}: ${file}: tensor "${name}" is ${what}; the model would answer wrongly without it`,
    );
  }
}

function checkShape(
  file: string,
  architecture: string,
  tensor: TensorInfo,
  wanted: WeightSpec["shape"],
): void {
  if (tensor.shape.join() === wanted.join()) return;
  throw new InputError(
    `${architecture}: ${file}: tensor "${tensor.name}" is (${tensor.shape}) but the model's sizes ask for (${wanted})`,
  );
}

function requireTensor(
  file: string,
  architecture: string,
  tensors: GgufHeader["tensors"],
  name: string,
): TensorInfo {
  const found = tensors.get(name);
  if (found) return found;
  const remedy = tensors.size ? `nearest is "${closest(name, [...tensors.keys()])}"` : "it has none";
  throw new InputError(`${architecture}: ${file}: file has no tensor "${name}"; ${remedy}`);
}
