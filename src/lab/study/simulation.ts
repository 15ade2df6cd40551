/** Results files of studies that never ran: users drawn around a known truth, to try the verdicts on. */
import { normal, threefry } from "../../engine/random.ts";
import { expand } from "./cells.ts";
import { FORMAT, type Row } from "./row.ts";
import { isBaseline, retrieves, rowKey, type Settings, trains } from "./settings.ts";
import { declaredDigest, type Study, studyDigest } from "./study_file.ts";

/** The truth behind a simulated study. */
export interface World {
  /** Probability that the mean user's item is answered rightly in a cell. */
  accuracy(settings: Settings): number;
  bayes?(settings: Settings): Row["bayes"];
  /** Standard deviation of users around it, drawn anew for every cell. */
  spread: number;
  /** Share of an item's luck that all cells have in common: the same hard items are hard everywhere. */
  commonLuck: number;
  cost?(settings: Settings): Partial<Row["cost"]>;
  memory?(settings: Settings): Partial<Row["memory"]>;
}

const PROVENANCE: Row["provenance"] = {
  edgewise: "simulated",
  node: "simulated",
  build: "simulated",
  machine: { cpu: "simulated", cores: 1, memory_bytes: 0, os: "simulated" },
  command: "simulated",
  finished: "2000-01-01T00:00:00Z",
};

/** Rows as an honest runner would have written them. */
export function simulate(study: Study, world: World, seed: number): Row[] {
  return draw(blankRows(study, world), world, seed);
}

/** Rows of every cell and user with all but the measured values: the part of `simulate` that no seed changes. */
export function blankRows(study: Study, world: World): Row[] {
  const items = study.items_per_user;
  const shared = {
    format: FORMAT,
    study: studyDigest(study),
    declared: declaredDigest(study),
    planned: { asked: study.users, users: study.users, dev_users: study.dev_users, items },
    quality: { metric: "accuracy" as const, value: 0, items, format_failures: 0, lamp: {} },
    provenance: PROVENANCE,
  };
  const people = [
    ...names("test", study.users).map((user) => ({ user, split: "test" as const })),
    ...names("dev", study.dev_users).map((user) => ({ user, split: "dev" as const })),
  ];
  return expand(study).flatMap(({ settings, dev }) =>
    people
      .filter(({ split }) => split === "test" || dev)
      .map(({ user, split }) => ({
        ...shared,
        key: rowKey(settings, user, {}),
        settings,
        lineage: {},
        user,
        split,
        bayes: world.bayes?.(settings) ?? null,
        cost: { ...simulatedCost(settings), ...world.cost?.(settings) },
        memory: {
          model_bytes: 0,
          program_bytes: 0,
          predicted_peak_bytes: 0,
          measured_peak_bytes: null,
          ...world.memory?.(settings),
        },
        audit: simulatedAudit(settings, user, items),
      })),
  );
}

/** The same rows with accuracies drawn around the world's truth. */
export function draw(rows: readonly Row[], world: World, seed: number): Row[] {
  const common = new Map<string, Uint16Array>();
  return rows.map((row): Row => {
    const { user, key, settings } = row;
    let luck = common.get(user);
    if (!luck) common.set(user, (luck = commonLuck(row.quality.items, seed, common.size)));
    const value = simulatedAccuracy(world, settings, luck, seed, Number.parseInt(key.slice(0, 8), 16));
    return { ...row, quality: { ...row.quality, value }, audit: { ...row.audit, scores: `${seed} ${key}` } };
  });
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
}

/** Luck of every item of a person that all cells have in common, 16 bits each. */
function commonLuck(items: number, seed: number, person: number): Uint16Array {
  const luck = new Uint16Array(items);
  for (let i = 0; i < items; i++) luck[i] = threefry(seed, 0, person, i)[0];
  return luck;
}

/**
 * Share of items right: an item's luck is the common one with probability `commonLuck`, else this row's own. `stream`
 * is the row's own stream of random numbers.
 */
function simulatedAccuracy(
  world: World,
  settings: Settings,
  common: Uint16Array,
  seed: number,
  stream: number,
): number {
  const p = 65536 * (world.accuracy(settings) + world.spread * normal(seed, stream));
  let right = 0;
  for (let i = 0; i < common.length; i++) {
    const [whose, own] = threefry(seed, stream, 1, i);
    const luck = whose < world.commonLuck * 2 ** 32 ? common[i] : own & 0xffff;
    if (luck < p) right++;
  }
  return right / common.length;
}

function simulatedCost({ training_tokens }: Settings): Row["cost"] {
  return {
    trained_tokens: training_tokens,
    evaluated_tokens: 0,
    training_seconds: 0,
    training_seconds_quartiles: [0, 0],
    evaluation_seconds: 0,
    evaluation_seconds_quartiles: [0, 0],
    training_tokens_per_second: 0,
    evaluation_tokens_per_second: 0,
    timing: { threads: 1, repeats: 7, others: 0 },
  };
}

function simulatedAudit(settings: Settings, user: string, items: number): Row["audit"] {
  const { method, history, h, k, rank, model, compression } = settings;
  const owner = method === "none" ? null : history === "own" ? user : `${user}-neighbour`;
  const history_items = Array.from({ length: h }, (_, i) => `${owner} h${i}`);
  return {
    model: isBaseline(method) ? null : `${model} ${compression}`,
    history_user: owner,
    history_items,
    test_items: Array.from({ length: items }, (_, i) => `${user} t${i}`),
    trained_items: trains(method) ? history_items : [],
    items_cut: 0,
    step_tokens: trains(method) ? 32 : 0,
    items_shown: k,
    shown_gaps: retrieves(method) ? Array.from({ length: items }, (_, i) => i + 1) : [],
    training_gap: method === "rag+lora-trained" ? 1 : null,
    adapter: trains(method) ? { digest: "simulated", norm: 1, rank } : null,
    scores: "",
    longest_prompt: isBaseline(method) ? 0 : 100,
    context: isBaseline(method) ? 0 : 256,
    canary_hits: 0,
  };
}
