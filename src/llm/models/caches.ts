/** How large the KV cache of a layer is, and how far back a conversation in it may go. */
import { type CacheType, cacheDtypes } from "../../engine/dtypes/cache.ts";
import type { Graph } from "../../engine/graph/graph.ts";
import { InputError } from "../../errors.ts";

/** The KV cache of one layer. */
export interface LayerCache {
  readonly layer: number;
  readonly type: CacheType;
  /** How many keys a row sees; 0: all. */
  readonly window: number;
  readonly context: number;
  /** Rows of one cache; below `context` it is a ring: position p stands in row p mod capacity. */
  readonly capacity: number;
  readonly caches: number;
  /** Of keys and values, all caches together. */
  readonly bytes: number;
}

/** Keys a cache is rounded up to. */
const ROUND = 16;

/**
 * Rows of one cache of a layer that sees `window` keys (0: all): no run of at most `rows` rows overwrites a key that one of them sees.
 */
export function cacheCapacity(context: number, window: number, rows: number): number {
  return window ? Math.min(context, Math.ceil((window + rows) / ROUND) * ROUND) : context;
}

/** Refuses a dtype whose blocks would reach from one head into the next. */
export function checkCacheType(type: CacheType, headSize: number): void {
  const { blockSize } = cacheDtypes[type];
  if (headSize % blockSize === 0) return;
  throw new InputError(
    `cache: ${type} has blocks of ${blockSize} values, but a head of this model has ${headSize}; use --cache-type f16 or f32`,
  );
}

/** The caches of a graph with KV caches, by layer. */
export function layerCaches(graph: Graph): LayerCache[] {
  return graph.nodes.flatMap(({ op, inputs, attributes }) => {
    if (op?.name !== "attention" || !attributes.context) return [];
    const { context, capacity, caches, window } = attributes as Record<string, number>;
    const { name } = inputs[1].node.leaf!;
    const [rows, width] = inputs[1].shape as readonly number[];
    const type = (Object.keys(cacheDtypes) as CacheType[]).find(
      (each) => cacheDtypes[each].leaf === inputs[1].dtype,
    )!;
    const { blockSize, bytesPerBlock } = cacheDtypes[type];
    const bytes = (2 * rows * width * bytesPerBlock) / blockSize;
    return [{ layer: Number(name.split(".")[1]), type, window, context, capacity, caches, bytes }];
  });
}

/** Layers whose caches are alike. */
export interface CacheGroup extends Omit<LayerCache, "layer" | "context" | "window"> {
  readonly kind: "full" | "ring";
  readonly layers: readonly number[];
}

/** The caches of a graph, layers of one kind and size together; `bytes` of all of them. */
export function cacheGroups(graph: Graph): CacheGroup[] {
  const groups = new Map<string, CacheGroup & { layers: number[]; bytes: number }>();
  for (const { layer, type, context, capacity, caches, bytes } of layerCaches(graph)) {
    const kind = capacity < context ? "ring" : "full";
    const key = `${kind} ${type} ${capacity}`;
    const group = groups.get(key) ?? { kind, type, capacity, caches, layers: [], bytes: 0 };
    groups.set(key, { ...group, layers: [...group.layers, layer], bytes: group.bytes + bytes });
  }
  return [...groups.values()];
}

/**
 * How far below the highest position ever written a conversation may go back and still find every key that its rows see. A ring of
 * `capacity` rows has lost all positions below `highest` − `capacity`, and the next row needs the `window` − 1 before it. Infinite
 * where no layer is a ring.
 */
export function ringSlack(layers: readonly LayerCache[]): number {
  const rings = layers.filter(({ capacity, context }) => capacity < context);
  return Math.min(...rings.map(({ capacity, window }) => capacity - window + 1));
}

/**
 * Whether rows from `position` on give the bits they would give after a reset and the same text, when `highest` is one more than the
 * highest position written since the last reset, by an aborted run too. Going back does not lower `highest`: only position 0 does.
 */
export function canRewind(layers: readonly LayerCache[], highest: number, position: number): boolean {
  const lost = (capacity: number) => Math.max(0, highest - capacity);
  return (
    position === 0 ||
    layers.every(({ capacity, context, window }) => {
      const keeps = capacity >= context || window === 1 || lost(capacity) === 0;
      return keeps || position - window + 1 >= lost(capacity);
    })
  );
}
