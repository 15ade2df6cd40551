import { SEQUENCE_CACHE } from "../../../kernels/layout.ts";
import type { Attributes, Value } from "../graph/graph.ts";
import { gradientOf } from "../transform/gradient.ts";
import { matmul } from "./matmul.ts";
import { fused, gradientOp } from "./op.ts";
import {
  add,
  broadcast,
  cast,
  div,
  equal,
  exp,
  fill,
  iota,
  lessEqual,
  log,
  max,
  mul,
  reshape,
  scale,
  select,
  sub,
  sum,
  transpose,
} from "./primitives.ts";
import { perRow } from "./sequences.ts";

/**
 * Causal attention over ragged rows, grouped queries (head h reads key-value head ⌊h·G/H⌋).     Vaswani et al. 2017, arXiv:1706.03762
 *
 * out[t,h] = Σⱼ softmaxⱼ(scale·q[t,h]·k[j]) v[j] over the keys j of the row's own sequence at positions ≤ the row's.
 * q (T, H·D); position, sequence u32 (T); sequences (S,8); out (T, H·D), lse (T,H) = log Σⱼ exp(score).
 * With a `window` w > 0 the row at position p sees only keys p − w + 1 … p (Beltagy et al. 2020, arXiv:2004.05150); 0: all.
 * k, v: (T, G·D), the keys of this very batch; or, with `context` > 0, a cache (caches·capacity, G·D) of any of the dtypes of
 * dtypes/cache.ts, in which key j of cache c is row c·capacity + j mod capacity: a ring where capacity < context.
 */
export const attentionOp = fused({
  name: "attention",
  constants: [3, 4, 5],
  decompose: ([q, k, v, position, sequence, sequences], attributes) => {
    const { heads, kvHeads, d } = dims(attributes);
    const [rows, keys] = [q.shape[0], k.shape[0]];
    const perHead = (x: Value) => {
      const repeated = fill(x, [keys, kvHeads, heads / kvHeads, d], 0);
      const wide = broadcast(reshape(x, [keys, kvHeads, 1, d]), repeated);
      return transpose(reshape(wide, [keys, heads, d]), [1, 0, 2]);
    };
    const queries = transpose(reshape(q, [rows, heads, d]), [1, 0, 2]);
    const scores = scale(matmul(queries, perHead(k), false, true), attributes.scale as number);
    const visible = reshape(mask(q, k, position, sequence, sequences, attributes), [1, rows, keys]);
    const masked = select(broadcast(visible, scores), scores, fill(q, [heads, rows, keys], -1e30));
    const top = max(masked);
    const p = exp(sub(masked, top));
    const total = sum(p, 2);
    const out = transpose(matmul(div(p, total), perHead(v)), [1, 0, 2]);
    const lse = transpose(add(log(total), top), [1, 0, 2]);
    return [reshape(out, [rows, heads * d]), reshape(lse, [rows, heads])];
  },
  gradient: ([q, k, v, position, sequence, sequences], [out, lse], [dout], attributes) => {
    if (attributes.context)
      throw new Error("attention: there is no gradient through a KV cache; train with context 0");
    const graph = q.node.graph;
    const inputs = [dout!, q, k, v, position, sequence, sequences];
    const [dq, delta] = graph.append(attentionGradQOp, [...inputs, out, lse], attributes);
    const [dk, dv] = graph.append(attentionGradKvOp, [...inputs, lse, delta], attributes);
    return [dq, dk, dv, undefined, undefined, undefined];
  },
});

/** dq, and delta (T,H) = Σ_d dout·out, which the other half needs.     Dao et al. 2022, arXiv:2205.14135, appendix B */
export const attentionGradQOp = fused({
  name: "attention_grad_q",
  decompose: ([dout, ...rest], attributes) => {
    const { heads, d } = dims(attributes);
    const inputs = rest.slice(0, 6);
    const [out, lse] = attentionOp.decompose!(inputs, attributes);
    const [dq] = gradientOf([out, lse], [dout, undefined], inputs, [true, false, false, false, false, false]);
    const [rows] = dout.shape;
    const product = mul(reshape(dout, [rows, heads, d]), reshape(out, [rows, heads, d]));
    return [dq!, reshape(sum(product, 2), [rows, heads])];
  },
});

export const attentionGradKvOp = gradientOp("attention_grad_kv", attentionOp, 6, [1, 2]);

export interface AttentionAttributes {
  readonly heads: number;
  readonly kvHeads: number;
  readonly d: number;
  readonly scale: number;
  /** 0: the keys are the batch's own rows. */
  readonly context: number;
  readonly caches: number;
  /** Rows of one cache, the windows of all rows of a run; 0 without a cache. */
  readonly capacity: number;
  /** How many keys a row sees, its own among them; 0: all. */
  readonly window: number;
}

export function attention(
  inputs: { q: Value; k: Value; v: Value; position: Value; sequence: Value; sequences: Value },
  attributes: AttentionAttributes,
): Value {
  const { q, k, v, position, sequence, sequences } = inputs;
  return q.node.graph.append(attentionOp, [q, k, v, position, sequence, sequences], { ...attributes })[0];
}

/** (T, keys): 1 where the row may see the key. */
function mask(
  q: Value,
  k: Value,
  position: Value,
  sequence: Value,
  sequences: Value,
  attributes: Attributes,
): Value {
  const [rows, keys] = [q.shape[0], k.shape[0]];
  const { context, caches, capacity, window } = attributes as Record<string, number>;
  if (context && capacity < context && !(window && window <= capacity))
    throw new Error(`attention: a cache of ${capacity} rows does not hold what a row of ${context} sees`);
  const square = fill(q, [rows, keys], 0);
  const column = (x: Value) => broadcast(reshape(x, [rows, 1]), square);
  const byRow = (x: Value) => reshape(x, [1, keys]);
  const owner = context ? perRow(sequences, sequence, SEQUENCE_CACHE) : cast(sequence);
  const keyOwner = context ? iota(q, [caches, capacity], 0) : cast(sequence);
  const slot = context ? iota(q, [caches, capacity], 1) : cast(position);
  const own = equal(column(owner), byRow(keyOwner));
  // How far the row's position is beyond the slot's newest key: every turn of the ring adds its capacity to the key. Turns are taken off
  // by halves of the longest, because a long context may have millions.
  let distance = sub(column(cast(position)), broadcast(byRow(slot), square));
  let turns = capacity;
  while (2 * turns < context) turns *= 2;
  for (; capacity < context && turns >= capacity; turns /= 2) {
    const over = lessEqual(fill(q, [rows, keys], turns), distance);
    distance = sub(distance, scale(over, turns));
  }
  let visible = lessEqual(square, distance);
  if (window) visible = mul(visible, lessEqual(distance, fill(q, [rows, keys], window - 1)));
  return mul(own, visible);
}

function dims(attributes: Attributes) {
  return {
    heads: attributes.heads as number,
    kvHeads: attributes.kvHeads as number,
    d: attributes.d as number,
  };
}
