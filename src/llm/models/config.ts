/** Sizes and constants of a decoder-only transformer. */
export interface ModelConfig {
  readonly architecture: string;
  readonly layers: number;
  readonly channels: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  /** Longest sequence that the model was trained for. */
  readonly context: number;
  readonly ropeBase: number;
  /** Rotary base of the layers with a window, where it is another. */
  readonly ropeBaseLocal?: number;
  /** What positions are divided by (linear scaling), in layers without a window; absent: 1. */
  readonly ropeScaling?: number;
  /** What each rotary frequency is divided by, headSize/2 of them: Llama 3's scaling. */
  readonly ropeFactors?: readonly number[];
  /** Keys that a row sees in a layer with a window, its own among them. */
  readonly window?: number;
  /** Which layers have the window. */
  readonly windowed?: readonly boolean[];
  /** What q·k is multiplied by; absent: 1/√headSize. */
  readonly attentionScale?: number;
  readonly eps: number;
  /** The head is the embedding. */
  readonly tied: boolean;
}

/** What a linear layer is for; adapters and compression policies ask for roles, never for names. */
export const roles = ["q", "k", "v", "o", "gate", "up", "down"] as const;
export type Role = (typeof roles)[number];

/** A weight by its Hugging Face name and shape, and its tensor's name in GGUF; linear weights are (out, in). */
export interface WeightSpec {
  readonly name: string;
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly role: Role | "embed" | "head" | "norm";
  readonly layer?: number;
}
