/** What is mutated: small models of every tensor type and every kind of tokenizer, a vocabulary alone, and a real file's header. */
import path from "node:path";
import { packageRoot } from "../../src/engine/host/assets.ts";
import { type Gguf, readGguf } from "../../src/llm/files/gguf.ts";
import type { MetadataValue } from "../../src/llm/files/metadata.ts";
import { openFile } from "../../src/llm/files/source.ts";
import { lettersOf } from "../../src/llm/tokenizer/byte_letters.ts";
import { BLOCKS, type Draft, type DraftTensor } from "./draft.ts";

type Pair = [string, MetadataValue];

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const BYTE = 6;
const FILL = 0x2c;

const text = (value: string): MetadataValue => ({ type: "string", value });
const u32 = (value: number): MetadataValue => ({ type: "uint32", value });
const f32 = (value: number): MetadataValue => ({ type: "float32", value });
const bool = (value: boolean): MetadataValue => ({ type: "bool", value });
const strings = (value: string[]): MetadataValue => ({ type: "array", of: "string", value });
const floats = (value: number[]): MetadataValue => ({ type: "array", of: "float32", value });
const integers = (value: number[]): MetadataValue => ({ type: "array", of: "int32", value });

function sentencepiece(): Pair[] {
  const specials = ["<unk>", "<s>", "</s>"];
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  const pieces = ["▁", "t", "h", "e", "▁t", "he", "▁the", "i", "n", "in", "ing"];
  const tokens = [...specials, ...bytes, ...pieces];
  return [
    ["tokenizer.ggml.model", text("llama")],
    ["tokenizer.ggml.tokens", strings(tokens)],
    ["tokenizer.ggml.scores", floats(tokens.map((_, id) => -id))],
    [
      "tokenizer.ggml.token_type",
      integers(tokens.map((_, id) => (id === 0 ? UNKNOWN : id < 3 ? CONTROL : id < 259 ? BYTE : NORMAL))),
    ],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(2)],
    ["tokenizer.ggml.unknown_token_id", u32(0)],
    ["tokenizer.ggml.add_bos_token", bool(true)],
    ["tokenizer.ggml.add_space_prefix", bool(true)],
  ];
}

function byteLevel(pre: string): Pair[] {
  const letters = Array.from({ length: 256 }, (_, byte) => lettersOf(Uint8Array.of(byte)));
  const space = letters[32];
  const merges = ["t h", "th e", `${space} the`, "i n", "in g", `${space} t`];
  const tokens = [...letters, ...merges.map((merge) => merge.replace(" ", "")), "<|end|>", "<|start|>"];
  return [
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text(pre)],
    ["tokenizer.ggml.tokens", strings(tokens)],
    ["tokenizer.ggml.token_type", integers(tokens.map((_, id) => (id < 262 ? NORMAL : CONTROL)))],
    ["tokenizer.ggml.merges", strings(merges)],
    ["tokenizer.ggml.bos_token_id", u32(263)],
    ["tokenizer.ggml.eos_token_id", u32(262)],
    ["tokenizer.chat_template", text("{% for m in messages %}{{ m.content }}{% endfor %}")],
  ];
}

function wordpiece(): Pair[] {
  const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ..."abcdefghij", "▁the", "▁a", "ing", "▁dog"];
  return [
    ["tokenizer.ggml.model", text("bert")],
    ["tokenizer.ggml.pre", text("jina-v2-en")],
    ["tokenizer.ggml.tokens", strings(tokens)],
    ["tokenizer.ggml.token_type", integers(tokens.map((_, id) => (id < 5 ? CONTROL : NORMAL)))],
    ["tokenizer.ggml.unknown_token_id", u32(1)],
    ["tokenizer.ggml.cls_token_id", u32(2)],
    ["tokenizer.ggml.seperator_token_id", u32(3)],
    ["tokenizer.ggml.padding_token_id", u32(0)],
    ["tokenizer.ggml.mask_token_id", u32(4)],
  ];
}

interface Sizes {
  architecture: string;
  layers: number;
  channels: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  feedForward: number;
}

function model(sizes: Sizes, tokenizer: Pair[], type: number, embedding = type): Draft {
  const { architecture: name, layers, channels, heads, kvHeads, headSize, feedForward } = sizes;
  const vocabulary = tokenizer.find(([key]) => key === "tokenizer.ggml.tokens")![1].value as string[];
  const gemma = name === "gemma3";
  const pairs: Pair[] = [
    ["general.architecture", text(name)],
    ["general.alignment", u32(32)],
    [`${name}.block_count`, u32(layers)],
    [`${name}.context_length`, u32(48)],
    [`${name}.embedding_length`, u32(channels)],
    [`${name}.feed_forward_length`, u32(feedForward)],
    [`${name}.attention.head_count`, u32(heads)],
    [`${name}.attention.head_count_kv`, u32(kvHeads)],
    [`${name}.attention.key_length`, u32(headSize)],
    [`${name}.attention.value_length`, u32(headSize)],
    [`${name}.rope.freq_base`, f32(10000)],
    [`${name}.attention.layer_norm_rms_epsilon`, f32(1e-5)],
    ...(gemma ? ([[`${name}.attention.sliding_window`, u32(16)]] as Pair[]) : []),
    ...tokenizer,
  ];
  const matrix = (label: string, rows: number, columns: number, of = type): DraftTensor => ({
    name: `${label}.weight`,
    sizes: [BigInt(columns), BigInt(rows)],
    type: columns % BLOCKS.get(of)![0] === 0 ? of : 0,
  });
  const vector = (label: string, size: number): DraftTensor => ({
    name: `${label}.weight`,
    sizes: [BigInt(size)],
    type: 0,
  });
  const layer = (i: number): DraftTensor[] => [
    vector(`blk.${i}.attn_norm`, channels),
    matrix(`blk.${i}.attn_q`, heads * headSize, channels),
    matrix(`blk.${i}.attn_k`, kvHeads * headSize, channels),
    matrix(`blk.${i}.attn_v`, kvHeads * headSize, channels),
    matrix(`blk.${i}.attn_output`, channels, heads * headSize),
    ...(gemma
      ? [
          vector(`blk.${i}.attn_q_norm`, headSize),
          vector(`blk.${i}.attn_k_norm`, headSize),
          vector(`blk.${i}.post_attention_norm`, channels),
          vector(`blk.${i}.post_ffw_norm`, channels),
        ]
      : []),
    vector(`blk.${i}.ffn_norm`, channels),
    matrix(`blk.${i}.ffn_gate`, feedForward, channels),
    matrix(`blk.${i}.ffn_up`, feedForward, channels),
    matrix(`blk.${i}.ffn_down`, channels, feedForward),
  ];
  const tensors = [
    matrix("token_embd", vocabulary.length, channels, embedding),
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    vector("output_norm", channels),
  ];
  return { version: 3, pairs, tensors, fill: FILL };
}

const narrow: Sizes = {
  architecture: "llama",
  layers: 1,
  channels: 32,
  heads: 2,
  kvHeads: 1,
  headSize: 16,
  feedForward: 64,
};
const wide: Sizes = { ...narrow, channels: 256, heads: 4, headSize: 64, kvHeads: 2, feedForward: 256 };
const PRE_TOKENIZERS = ["edgewise", "gpt-2", "smollm", "llama-bpe", "qwen2", "default"];

/** Seeds by name. */
export function syntheticSeeds(): Map<string, Draft> {
  const seeds = new Map<string, Draft>();
  for (const [type, [values]] of BLOCKS)
    seeds.set(`type ${type}`, model(values === 256 ? wide : narrow, sentencepiece(), type, 0));
  for (const pre of PRE_TOKENIZERS) seeds.set(`byte-level ${pre}`, model(narrow, byteLevel(pre), 8));
  seeds.set("wordpiece", model(narrow, wordpiece(), 8));
  seeds.set("two layers", model({ ...narrow, layers: 2 }, byteLevel("edgewise"), 1));
  seeds.set("version 2", { ...model(narrow, sentencepiece(), 0), version: 2 });
  const gemma = { ...narrow, architecture: "gemma3", layers: 6, channels: 64, headSize: 32 };
  seeds.set("gemma3", model(gemma, sentencepiece(), 8));
  seeds.set("vocabulary only", { ...model(narrow, sentencepiece(), 8), tensors: [] });
  return seeds;
}

/** A file's header as a seed; its tensors are filled like the others'. */
export function seedOf({ version, metadata, tensors }: Gguf): Draft {
  return {
    version,
    pairs: [...metadata.entries],
    tensors: [...tensors.values()].map(({ name, shape, type }) => ({
      name,
      sizes: shape.map(BigInt).reverse(),
      type: type.ggufId,
    })),
    fill: FILL,
  };
}

/** The synthetic seeds, and the model that comes with this package. */
export async function allSeeds(): Promise<Map<string, Draft>> {
  const seeds = syntheticSeeds();
  const source = await openFile(path.join(packageRoot(), "models", "edgewise-s.gguf"));
  seeds.set("edgewise-s", seedOf(await readGguf(source)));
  await source.close();
  return seeds;
}
