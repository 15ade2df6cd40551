/** Alarms: what must never happen in an honest study, found in its rows. Each has a name; each takes verdicts away. */
import { type Arm, armKey, noneOf } from "./arms.ts";
import type { Row } from "./row.ts";
import { describe, isBaseline, retrieves, trains } from "./settings.ts";
import { summarize } from "./statistics.ts";

export type AlarmName =
  | "test item in the history"
  | "training on test items"
  | "retrieval from the future"
  | "canary in a prompt"
  | "arms swapped"
  | "adapter zeroed"
  | "users dropped"
  | "items dropped"
  | "above Bayes"
  | "prompt past the context";

export interface Alarm {
  name: AlarmName;
  /** What was found in the first of them, with values. */
  message: string;
  /** Arms it touches. */
  arms: Set<string>;
  rows: number;
}

/** All alarms of a study, at most one of each name, with every arm it touches. */
export function findAlarms(arms: readonly Arm[]): Alarm[] {
  const alarms = new Map<AlarmName, Alarm>();
  const raise = (name: AlarmName, arm: Arm, message: string, rows = 1) => {
    const alarm = alarms.get(name) ?? { name, message, arms: new Set(), rows: 0 };
    alarm.arms.add(arm.key);
    alarm.rows += rows;
    alarms.set(name, alarm);
  };
  const references = gatherReferences(arms);
  for (const arm of arms) {
    for (const row of arm.rows)
      checkRow(row, references, (name, text) => raise(name, arm, `${place(row)}: ${text}`));
    const missing = missingUsers(arm);
    if (missing) raise("users dropped", arm, `${describe(arm.settings)}: ${missing}`, arm.rows.length);
    const above = aboveBayes(arm);
    if (above) raise("above Bayes", arm, `${describe(arm.settings)}: ${above}`, arm.rows.length);
  }
  return [...alarms.values()];
}

/** Text if users that the run set out with are not there: dropped, or not measured yet. */
function missingUsers({ rows, test, dev }: Arm): string | undefined {
  const users = Math.max(...rows.map((row) => row.planned.users));
  const devUsers = Math.max(...rows.map((row) => row.planned.dev_users));
  if (test.size < users) return `${test.size} of ${users} test users`;
  return dev.size > 0 && dev.size < devUsers ? `${dev.size} of ${devUsers} dev users` : undefined;
}

function place(row: Row): string {
  return `${describe(row.settings)}, user ${row.user}`;
}

type Raise = (name: AlarmName, text: string) => void;

/** What rows are held against: the first answer to the same question in another row. */
interface References {
  /** Digest of the weights by model and compression. */
  weights: Map<string, string>;
  /** Test items by task and user. */
  tests: Map<string, string>;
  /** Scores of the arm that is the same but for the adapter, by user and seed. */
  untrained: (row: Row) => string | undefined;
}

function gatherReferences(arms: readonly Arm[]): References {
  const weights = new Map<string, string>();
  const tests = new Map<string, string>();
  const scores = new Map<string, string>();
  const byKey = new Map(arms.map((arm) => [arm.key, arm]));
  for (const { rows, key } of arms) {
    for (const row of rows) {
      const { model, compression } = row.settings;
      const name = `${model} ${compression}`;
      if (row.audit.model !== null && !weights.has(name)) weights.set(name, row.audit.model);
      const user = `${row.settings.task}/${row.user}`;
      if (!tests.has(user)) tests.set(user, row.audit.test_items.join());
      scores.set(`${key}/${row.user}/${row.settings.seed}`, row.audit.scores);
    }
  }
  const untrained = (row: Row) => {
    const rag = { ...row.settings, method: "rag" as const, training_tokens: 0, rank: 0, alpha: 0 };
    const same = retrieves(row.settings.method) ? byKey.get(armKey(rag)) : noneOf(arms, row.settings);
    return same && scores.get(`${same.key}/${row.user}/${row.settings.seed}`);
  };
  return { weights, tests, untrained };
}

function checkRow(row: Row, references: References, raise: Raise): void {
  const { audit, settings } = row;
  const tests = new Set(audit.test_items);
  const inHistory = audit.history_items.filter((item) => tests.has(item));
  if (inHistory.length > 0)
    raise("test item in the history", `${inHistory.length} items, the first ${inHistory[0]}`);
  const trainedOn = audit.trained_items.filter((item) => tests.has(item));
  if (trainedOn.length > 0)
    raise("training on test items", `${trainedOn.length} items, the first ${trainedOn[0]}`);
  const gap = Math.min(...audit.shown_gaps, audit.training_gap ?? Infinity);
  if (gap <= 0)
    raise("retrieval from the future", `an item shown is ${-gap} places after the item asked for`);
  if (audit.canary_hits > 0) raise("canary in a prompt", `${audit.canary_hits} times`);
  if (audit.longest_prompt > audit.context) {
    raise(
      "prompt past the context",
      `${audit.longest_prompt} tokens, and the model was trained with ${audit.context}`,
    );
  }
  if (row.quality.items < row.planned.items) {
    raise("items dropped", `${row.quality.items} of ${row.planned.items} test items`);
  }
  const swapped = notAsLabelled(row, references);
  if (swapped) raise("arms swapped", swapped);
  if (trains(settings.method) && audit.adapter) {
    const { norm } = audit.adapter;
    if (norm === 0) raise("adapter zeroed", "its norm is 0");
    else if (audit.scores === references.untrained(row))
      raise("adapter zeroed", "its scores equal those without it");
  }
}

/** Text if what was done is not what the settings say. */
function notAsLabelled({ settings, user, audit, cost }: Row, references: References): string | undefined {
  const { method, history, k, h, rank, training_tokens: tokens } = settings;
  const wantsModel = !isBaseline(method);
  if ((audit.model !== null) !== wantsModel) return `${method} ran ${audit.model ? "a model" : "no model"}`;
  if (audit.model && audit.model !== references.weights.get(`${settings.model} ${settings.compression}`)) {
    return `weights ${audit.model} are not those of other ${settings.model} ${settings.compression} rows`;
  }
  if ((audit.adapter !== null) !== trains(method))
    return `${method} ran ${audit.adapter ? "an" : "no"} adapter`;
  if (audit.adapter && audit.adapter.rank !== rank)
    return `rank ${rank} ran an adapter of rank ${audit.adapter.rank}`;
  // A checkpoint is taken behind the first step that reaches its tokens; one step is a whole item, however long it is.
  const { step_tokens: step } = audit;
  if (trains(method) && (cost.trained_tokens < tokens || cost.trained_tokens >= tokens + step)) {
    return `${tokens} training tokens were ${cost.trained_tokens}, in steps of at most ${step}`;
  }
  if (audit.items_shown > k || audit.items_shown > 0 !== retrieves(method)) {
    return `${method} with k ${k} showed ${audit.items_shown} items`;
  }
  const owner = method === "none" ? "nobody" : history === "own" ? "the user" : "another user";
  const found =
    audit.history_user === null ? "nobody" : audit.history_user === user ? "the user" : "another user";
  if (owner !== found) return `the history is of ${found}, not of ${owner}`;
  if (audit.history_items.length > h) return `h ${h} had ${audit.history_items.length} history items`;
  const tests = references.tests.get(`${settings.task}/${user}`);
  return audit.test_items.join() === tests
    ? undefined
    : "its test items are not those of the user's other arms";
}

/**
 * Text if the arm is better than the best possible by more than 3 standard errors. The error is the larger of the
 * spread between users and that of items drawn at the Bayes accuracy: a few perfect users have no spread.
 */
function aboveBayes(arm: Arm): string | undefined {
  const rows = arm.rows.filter(
    (row) => row.split === "test" && row.bayes && row.quality.metric === "accuracy",
  );
  if (rows.length < 2) return undefined;
  const { mean, se, n } = summarize(rows.map((row) => row.quality.value - row.bayes!.accuracy_h));
  const variance = rows.reduce((sum, { bayes, quality }) => {
    return sum + (bayes!.accuracy_h * (1 - bayes!.accuracy_h)) / quality.items;
  }, 0);
  const error = Math.max(se, Math.sqrt(variance) / n);
  if (mean <= 3 * error + 1e-9) return undefined;
  return `${mean.toFixed(3)} above the Bayes bound, ${(mean / error).toFixed(1)} standard errors`;
}
