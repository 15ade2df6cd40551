import type { Engine } from "../../engine/host/engine.ts";
import { cos, pow, sin } from "../../engine/math.ts";
import type { ModelConfig } from "./config.ts";
import type { RotaryName } from "./family.ts";

/** How fast the pairs of a head turn. */
export interface Rotation {
  readonly base: number;
  /** Positions are divided by it; absent: 1. */
  readonly scaling?: number;
  /** Each frequency is divided by its own; absent: 1. */
  readonly factors?: readonly number[];
}

/** What each rotary table of a model is made of; both are there, whether its layers use them or not. */
export function rotations(config: ModelConfig): Record<RotaryName, Rotation> {
  const { ropeBase, ropeBaseLocal, ropeScaling, ropeFactors } = config;
  return {
    rotary: { base: ropeBase, scaling: ropeScaling, factors: ropeFactors },
    rotary_local: { base: ropeBaseLocal ?? ropeBase },
  };
}

/** The rotary table (context, d): for every position the cosines, then the sines, of position · base^(−2i/d) / scaling / factorᵢ, i < d/2. */
export function rotaryTable(
  context: number,
  d: number,
  { base, scaling = 1, factors }: Rotation,
): Float32Array {
  const table = new Float32Array(context * d);
  const half = d / 2;
  for (let i = 0; i < half; i++) {
    const frequency = pow(base, (-2 * i) / d) / scaling / (factors?.[i] ?? 1);
    for (let position = 0; position < context; position++) {
      table[position * d + i] = cos(position * frequency);
      table[position * d + half + i] = sin(position * frequency);
    }
  }
  return table;
}

/** Fills the rotary tables that a program has. */
export function fillRotary(engine: Engine, config: ModelConfig): void {
  for (const [name, rotation] of Object.entries(rotations(config))) {
    const place = engine.program.leaves.get(name);
    if (!place) continue;
    const [context, d] = place.value.shape as readonly number[];
    engine.f32(name).set(rotaryTable(context, d, rotation));
  }
}
