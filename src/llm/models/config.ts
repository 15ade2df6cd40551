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
  readonly eps: number;
  /** The head is the embedding. */
  readonly tied: boolean;
}

/** What a linear layer is for; adapters and compression policies ask for roles, never for names. */
export const roles = ["q", "k", "v", "o", "gate", "up", "down"] as const;
export type Role = (typeof roles)[number];

/** A weight by its Hugging Face name and shape; linear weights are (out, in). */
export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: Role | "embed" | "head" | "norm";
  readonly layer?: number;
}
