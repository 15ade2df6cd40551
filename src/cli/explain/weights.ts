/** What each weight becomes in memory, and why that is not always what was asked for. */
import { fileDtypes } from "../../engine/dtypes/index.ts";
import { formatBytes } from "../../engine/plan/program.ts";
import type { WeightSpec } from "../../llm/models/config.ts";
import { modelWeights } from "../../llm/models/family.ts";
import { grouped, notes, table } from "../terminal.ts";
import type { Subject } from "./subject.ts";

export interface WeightGroup {
  readonly weights: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly fileType: string;
  readonly dtype: string;
  readonly fileBytes: number;
  readonly bytes: number;
  /** Empty where the type is the one that was asked for. */
  readonly reason: string;
}

/** Weights of the same role, types and reason together, in the order of the model. */
export function weightGroups(subject: Subject): WeightGroup[] {
  const { file, program } = subject;
  const groups = new Map<string, WeightGroup>();
  for (const spec of modelWeights(file.config)) {
    const tensor = file.gguf.tensors.get(spec.tensor)!;
    const place = program.leaves.get(spec.name)!;
    const weights = groupOf(spec);
    const fileType = tensor.type.ggufName;
    const { dtype } = place.value;
    const reason = reasonOf(subject, spec, fileType);
    const key = [weights, fileType, dtype, reason].join();
    const before = groups.get(key);
    groups.set(key, {
      weights,
      tensors: (before?.tensors ?? 0) + 1,
      parameters: (before?.parameters ?? 0) + tensor.rows * tensor.columns,
      fileType,
      dtype,
      fileBytes: (before?.fileBytes ?? 0) + tensor.bytes,
      bytes: (before?.bytes ?? 0) + place.bytes,
      reason,
    });
  }
  return [...groups.values()];
}

function groupOf({ role }: WeightSpec): string {
  if (role === "q" || role === "k" || role === "v" || role === "o") return "attention q k v o";
  if (role === "gate" || role === "up" || role === "down") return `feed-forward ${role}`;
  return { embed: "embedding", head: "head", norm: "norms" }[role];
}

/** Why a matrix is not in memory as the type that was asked for. */
function reasonOf(
  { options, program }: Subject,
  { name, role, shape }: WeightSpec,
  fileType: string,
): string {
  const { kind, value } = program.leaves.get(name)!;
  if (kind === "state") return "trained, so f32 and row-major";
  if (role === "norm") return options.type === "file" || options.type === "f32" ? "" : "vectors stay f32";
  const wanted = Object.values(fileDtypes).find(
    (dtype) => dtype.name === options.type || (options.type === "file" && dtype.ggufName === fileType),
  )!;
  if (value.dtype === wanted.packed) return "";
  return `rows of ${shape[1]} are no whole blocks of ${wanted.blockSize}, so they stay f32`;
}

export function weightTable(groups: readonly WeightGroup[]): string {
  const rows = groups.map((group) => [
    group.weights,
    grouped(group.tensors),
    grouped(group.parameters),
    `${group.fileType} → ${group.dtype}`,
    formatBytes(group.fileBytes),
    formatBytes(group.bytes),
  ]);
  const headings = ["weights", ">tensors", ">parameters", "file → memory", ">in the file", ">in memory"];
  return `${table(headings, rows)}${notes(groups.map(({ weights, reason }) => [weights, reason]))}`;
}
