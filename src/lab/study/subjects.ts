/** The models of a study, opened, with what their cells ask of memory: everything that can be refused is refused here, before anything runs. */
import { InputError } from "../../errors.ts";
import { type ModelFile, openModel } from "../../llm/model_file.ts";
import { Tokenizer } from "../../llm/tokenizer/tokenizer.ts";
import type { RetrieverName } from "../rag/retrievers.ts";
import { type Batches, batchesWithin } from "./batches.ts";
import type { Cell } from "./cells.ts";
import type { Person, StudyTask } from "./cohort.ts";
import { largest } from "./extent.ts";
import { Materials } from "./materials.ts";
import { Prompter } from "./prompting.ts";
import { COMPRESSIONS, type Compression } from "./settings.ts";
import { modelPaths, type Study } from "./study_file.ts";

/** A cell with the people who have no row of it yet. */
export interface Job {
  readonly cell: Cell;
  readonly people: readonly Person[];
}

/** One model of the study. Its file stays open until `close`. */
export class Subject {
  readonly name: string;
  readonly file: ModelFile;
  readonly materials: Materials;

  private constructor(name: string, file: ModelFile, materials: Materials) {
    this.name = name;
    this.file = file;
    this.materials = materials;
  }

  static async open(name: string, path: string, retriever?: RetrieverName): Promise<Subject> {
    const file = await openModel(path);
    try {
      const tokenizer = Tokenizer.fromGguf(file.gguf.metadata);
      const materials = new Materials(new Prompter(tokenizer, file.config.context, retriever));
      return new Subject(name, file, materials);
    } catch (error) {
      await file.source.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.file.source.close();
  }
}

/** The models that have something to do, in the order of the study file. */
export async function openSubjects(
  study: Study,
  jobs: readonly Job[],
  retriever?: RetrieverName,
): Promise<Subject[]> {
  const subjects: Subject[] = [];
  try {
    for (const [name, path] of modelPaths(study))
      if (jobs.some(({ cell }) => cell.settings.model === name))
        subjects.push(await Subject.open(name, path, retriever));
    return subjects;
  } catch (error) {
    await closeSubjects(subjects);
    throw error;
  }
}

export async function closeSubjects(subjects: readonly Subject[]): Promise<void> {
  for (const subject of subjects) await subject.close();
}

/** One model at one compression, and what is left to do with it. */
export interface Assignment {
  readonly subject: Subject;
  readonly compression: Compression;
  readonly jobs: readonly Job[];
  /** Sizes of the programs by rank; 0: without adapters. */
  readonly batches: ReadonlyMap<number, Batches>;
}

/** Raises an InputError that names everything that does not fit the limit, each with its remedy. */
export function assignments(
  subjects: readonly Subject[],
  jobs: readonly Job[],
  taskOf: (cell: Cell) => StudyTask,
  limits: { readonly threads: number; readonly memoryLimit?: number },
): Assignment[] {
  const refusals: string[] = [];
  const assigned = subjects.flatMap((subject) =>
    COMPRESSIONS.flatMap((compression) => {
      const own = jobs.filter(
        ({ cell: { settings } }) => settings.model === subject.name && settings.compression === compression,
      );
      if (!own.length) return [];
      try {
        return [
          { subject, compression, jobs: own, batches: batchesOf(subject, compression, own, taskOf, limits) },
        ];
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refusals.push(error.message);
        return [];
      }
    }),
  );
  if (refusals.length) throw new InputError(refusals.join("\n"));
  return assigned;
}

/** By rank, the largest first: what is refused is refused with all that the model needs. */
function batchesOf(
  subject: Subject,
  compression: Compression,
  jobs: readonly Job[],
  taskOf: (cell: Cell) => StudyTask,
  { threads, memoryLimit }: { readonly threads: number; readonly memoryLimit?: number },
): Map<number, Batches> {
  const ranks = [...new Set(jobs.map(({ cell }) => cell.settings.rank))].sort((a, b) => b - a);
  return new Map(
    ranks.map((rank) => {
      const ofRank = jobs.filter(({ cell }) => cell.settings.rank === rank);
      const people = Math.max(...ofRank.map((job) => job.people.length));
      const needs = needsOf(subject, ofRank, taskOf);
      const { name: model, file } = subject;
      return [rank, batchesWithin({ model, file, compression, rank, threads, people, needs }, memoryLimit)];
    }),
  );
}

/** The longest of these jobs. */
export function needsOf({ materials }: Subject, jobs: readonly Job[], taskOf: (cell: Cell) => StudyTask) {
  const answering = jobs.map(({ cell, people }) => materials.answering(taskOf(cell), cell.settings, people));
  const learning = jobs.flatMap(
    ({ cell, people }) => materials.learning(taskOf(cell), cell.settings, people) ?? [],
  );
  return {
    answering: largest(answering),
    ...(learning.length ? { learning: largest(learning) } : {}),
  };
}
