/** PEFT's adapter_config.json: what of it is read, and what is refused. */
import { InputError } from "../../errors.ts";
import { type Role, roles } from "../models/config.ts";

export interface LoraConfig {
  readonly r: number;
  readonly loraAlpha: number;
  /** The factor is lora_alpha/√r instead of lora_alpha/r.     Kalajdzievski 2023, arXiv:2312.03732 */
  readonly useRslora: boolean;
  readonly roles: readonly Role[];
  /** Checksum of the model that the adapter was trained on; PEFT itself does not write it. */
  readonly baseSha256?: string;
}

/** Module of each role, below its layer. */
export const MODULES: Readonly<Record<Role, string>> = {
  q: "self_attn.q_proj",
  k: "self_attn.k_proj",
  v: "self_attn.v_proj",
  o: "self_attn.o_proj",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
};

/** Where the checksum of the base stands: in the tensors' metadata; earlier files have it in the configuration, where PEFT warns about it. */
export const BASE_KEY = "edgewise_base_sha256";
const RANK_MAX = 1024;

/** Fields that say nothing about what the adapter computes, or nothing without another that is refused. */
const IGNORED = new Set([
  "auto_mapping",
  "base_model_name_or_path",
  "inference_mode",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "revision",
  "runtime_config",
  "task_type",
]);
const READ = new Set([
  ...["peft_type", "r", "lora_alpha", "lora_dropout", "init_lora_weights"],
  ...["target_modules", "use_rslora", BASE_KEY],
]);
/** Ways to start A and B that leave the base as it is; the others (PiSSA, LoftQ …) change it. */
const PLAIN_STARTS: readonly unknown[] = [undefined, true, false, "gaussian", "orthogonal"];

/** Factor of the adapter's output. */
export function scaleOf({ r, loraAlpha, useRslora }: LoraConfig): number {
  return loraAlpha / (useRslora ? Math.sqrt(r) : r);
}

/** The text of an adapter_config.json. */
export function formatConfig(config: LoraConfig, baseName: string | null): string {
  const fields = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: baseName,
    r: config.r,
    lora_alpha: config.loraAlpha,
    lora_dropout: 0,
    use_rslora: config.useRslora,
    bias: "none",
    fan_in_fan_out: false,
    target_modules: config.roles.map((role) => MODULES[role].split(".")[1]),
    inference_mode: true,
  };
  return `${JSON.stringify(fields, null, 2)}\n`;
}

/**
 * Reads an adapter_config.json; an InputError names the field that asks for something else than plain LoRA on all `layers` of the model.
 * Without their number they are as many as target_modules names, where it names them one by one.
 */
export function parseConfig(text: string, file: string, layers?: number): LoraConfig {
  const problem = (rule: string) => new InputError(`adapter: ${file}: ${rule}`);
  const fields = parseObject(text, problem);
  const shown = (name: string) => `${name} is ${JSON.stringify(fields[name])?.slice(0, 120) ?? "missing"}`;
  if (fields.peft_type !== "LORA") throw problem(`${shown("peft_type")}; only "LORA" is read`);
  for (const name of Object.keys(fields))
    if (!READ.has(name) && !IGNORED.has(name) && !isNeutral(fields[name]))
      throw problem(`${shown(name)}, which is not supported`);
  if (!PLAIN_STARTS.includes(fields.init_lora_weights))
    throw problem(`${shown("init_lora_weights")}, which changes the base and is not supported`);

  const { r, lora_alpha: loraAlpha, use_rslora: useRslora = false, [BASE_KEY]: baseSha256 } = fields;
  if (!Number.isInteger(r) || (r as number) < 1 || (r as number) > RANK_MAX)
    throw problem(`${shown("r")}, must be a whole number from 1 to ${RANK_MAX}`);
  if (typeof loraAlpha !== "number" || !(loraAlpha > 0 && loraAlpha < Infinity))
    throw problem(`${shown("lora_alpha")}, must be a number above 0`);
  if (typeof useRslora !== "boolean") throw problem(`${shown("use_rslora")}, must be true or false`);
  // It drops in training alone.
  const { lora_dropout: dropout = 0 } = fields;
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout <= 1))
    throw problem(`${shown("lora_dropout")}, must be a number from 0 to 1`);
  if (baseSha256 !== undefined && !isSha256(baseSha256))
    throw problem(`${shown(BASE_KEY)}, must be 64 hexadecimal digits`);
  return {
    r: r as number,
    loraAlpha,
    useRslora,
    roles: parseTargets(fields.target_modules, layers, problem),
    baseSha256: baseSha256 as string | undefined,
  };
}

export function isSha256(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

/** `r 4, lora_alpha 8, use_rslora false, target_modules q_proj v_proj`: all that decides what the adapter computes. */
export function settingsOf({ r, loraAlpha, useRslora, roles: own }: LoraConfig): string {
  const modules = own.map((role) => MODULES[role].split(".")[1]).join(" ");
  return `r ${r}, lora_alpha ${loraAlpha}, use_rslora ${useRslora}, target_modules ${modules}`;
}

type Problem = (rule: string) => InputError;

function parseObject(text: string, problem: Problem): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw problem(`is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw problem("is not a JSON object");
  return value as Record<string, unknown>;
}

/** What PEFT writes for a feature that is not used. */
function isNeutral(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === null || value === false || value === 0 || value === "none";
}

/** `q_proj`, `self_attn.q_proj`, or with its layer, which PEFT writes for small models: `model.layers.0.self_attn.q_proj`. */
function parseTargets(targets: unknown, layers: number | undefined, problem: Problem): Role[] {
  if (targets === "all-linear") return [...roles];
  if (!Array.isArray(targets) || targets.length === 0)
    throw problem(
      `target_modules is ${JSON.stringify(targets)?.slice(0, 120) ?? "missing"}, must be a list of modules or "all-linear"`,
    );
  const everywhere = new Set<Role>();
  const inLayers = new Map<Role, Set<number>>();
  for (const target of targets) {
    const [, layer, module] = /^(?:(?:model\.)?layers\.(\d{1,4})\.)?(.*)$/s.exec(String(target))!;
    const role = roles.find((one) => module === MODULES[one] || target === MODULES[one].split(".")[1]);
    if (!role) {
      const known = roles.map((one) => MODULES[one].split(".")[1]).join(", ");
      throw problem(`target_modules has ${JSON.stringify(target)?.slice(0, 120)}; known are ${known}`);
    }
    if (layer === undefined) everywhere.add(role);
    else inLayers.set(role, (inLayers.get(role) ?? new Set()).add(Number(layer)));
  }
  const most = layers ?? 1 + Math.max(...[...inLayers.values()].flatMap((numbers) => [...numbers]));
  for (const [role, numbers] of inLayers) {
    const whole = numbers.size === most && [...numbers].every((number) => number < most);
    if (!whole && !everywhere.has(role))
      throw problem(
        `target_modules names ${MODULES[role]} in layers ${[...numbers].slice(0, 20).join(", ")}; it must be in all ${most} layers or in none`,
      );
  }
  return roles.filter((role) => everywhere.has(role) || inLayers.has(role));
}
