/** A conversation in a file: JSON of its messages and of the settings that made them. */
import { open } from "node:fs/promises";
import { InputError } from "../../errors.ts";
import { writeFileAtomically } from "../files/atomic.ts";
import { checkOptions, type GenerateOptions } from "../generate_options.ts";
import { checkMessages } from "./request.ts";
import type { Message } from "./template.ts";

export type Settings = Pick<
  GenerateOptions,
  "max_tokens" | "temperature" | "top_k" | "top_p" | "min_p" | "repetition_penalty" | "seed"
>;

export interface Conversation {
  /** Name of the model that it was held with; any other may go on with it. */
  readonly model: string;
  readonly settings: Settings;
  readonly messages: readonly Message[];
}

const FORMAT = "edgewise chat 1";
const BYTES_MAX = 2 ** 24;
const SETTINGS: Readonly<Record<keyof Settings, true>> = {
  max_tokens: true,
  temperature: true,
  top_k: true,
  top_p: true,
  min_p: true,
  repetition_penalty: true,
  seed: true,
};

export function saveConversation(path: string, { model, settings, messages }: Conversation): Promise<void> {
  const document = { format: FORMAT, model, settings, messages };
  return writeFileAtomically(path, `${JSON.stringify(document, null, 2)}\n`);
}

/** Rejects with InputError, naming the file and what is wrong, where it is no conversation as saveConversation writes it. */
export async function loadConversation(path: string): Promise<Conversation> {
  const refuse = (reason: string) => new InputError(`chat: ${path}: ${reason}`);
  const document = parse(await read(path, refuse), refuse);
  if (document.format !== FORMAT)
    throw refuse(`its format is ${JSON.stringify(document.format)}, must be ${JSON.stringify(FORMAT)}`);
  const { model, settings, messages } = document;
  if (typeof model !== "string") throw refuse("it does not name its model");
  if (!isObject(settings)) throw refuse("it has no settings");
  const unknown = Object.keys(settings).find((name) => !Object.hasOwn(SETTINGS, name));
  if (unknown !== undefined) throw refuse(`its settings have "${unknown}", which is not known`);
  try {
    checkOptions(settings);
    const checked = Array.isArray(messages) && messages.length === 0 ? [] : checkMessages(messages);
    if (checked.at(-1)?.role === "user")
      throw new InputError("the last message is the user's; it must end with an answer");
    return { model, settings, messages: checked };
  } catch (error) {
    throw error instanceof InputError ? refuse(error.message.replace(/^(chat|generate): /, "")) : error;
  }
}

type Refuse = (reason: string) => InputError;

async function read(path: string, refuse: Refuse): Promise<string> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    if (size > BYTES_MAX) throw refuse(`${size} bytes are too many for a conversation, at most ${BYTES_MAX}`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

function parse(text: string, refuse: Refuse): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw refuse(`it is no JSON (${(error as Error).message})`);
  }
  if (!isObject(document)) throw refuse("it is no JSON object");
  return document;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
