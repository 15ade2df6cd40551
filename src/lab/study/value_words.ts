/** The values that a schema allows, in words: "a whole number from 1", "one of own, placebo". What stands after "must be". */
import { z } from "zod";

type Definition = z.core.$ZodTypes["_zod"]["def"];

const definitionOf = (schema: z.core.$ZodType) => (schema as z.core.$ZodTypes)._zod.def as Definition;
const metaOf = (schema: z.core.$ZodType) => z.globalRegistry.get(schema) ?? {};

/** One step into an optional, a default, a nullable, or what is brought into form before or after the check; undefined at the core. */
function inside(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const definition = definitionOf(schema);
  if (definition.type === "optional" || definition.type === "default" || definition.type === "nullable")
    return definition.innerType;
  if (definition.type !== "pipe") return undefined;
  return definitionOf(definition.in).type === "transform" ? definition.out : definition.in;
}

/** An axis of a block takes one value as well as a list of them. */
function isAxis(schema: z.core.$ZodType): boolean {
  const definition = definitionOf(schema);
  return definition.type === "pipe" && definitionOf(definition.in).type === "transform";
}

function core(schema: z.core.$ZodType): z.core.$ZodType {
  const next = inside(schema);
  return next ? core(next) : schema;
}

/** What stands under a path of keys; undefined where nothing may. */
export function schemaAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return schema;
  const definition = definitionOf(core(schema));
  const next =
    definition.type === "object"
      ? definition.shape[String(key)]
      : definition.type === "array"
        ? definition.element
        : definition.type === "record"
          ? definition.valueType
          : undefined;
  return next && schemaAt(next, rest);
}

/** The keys that may stand in a map; none for what is no map of fixed keys. */
export function keysOf(schema: z.core.$ZodType): string[] {
  const definition = definitionOf(core(schema));
  return definition.type === "object" ? Object.keys(definition.shape) : [];
}

export function wordsOf(schema: z.core.$ZodType): string {
  const { words } = metaOf(schema);
  if (words !== undefined) return words;
  const next = inside(schema);
  if (next) {
    const { words: own } = metaOf(next);
    if (isAxis(schema) && own === undefined) {
      const list = definitionOf(next);
      if (list.type === "array") return `${wordsOf(list.element)}, or a list of at least one`;
    }
    return wordsOf(next);
  }
  const definition = definitionOf(schema);
  switch (definition.type) {
    case "number":
      return numberWords(schema);
    case "string":
      return "a text";
    case "boolean":
      return "true or false";
    case "enum":
    case "literal":
      return choice(valuesOf(schema));
    case "union":
      return definition.options.map(wordsOf).join(", or ");
    case "object":
      return `a map with keys of ${keysOf(schema).join(", ")}`;
    default:
      throw new Error(`study file: no words for a schema of type ${definition.type}`);
  }
}

const choice = (values: readonly string[]) => (values.length > 1 ? `one of ${values.join(", ")}` : values[0]);

function numberWords(schema: z.core.$ZodType): string {
  const { type, minimum, exclusiveMinimum, maximum, exclusiveMaximum } = z.toJSONSchema(schema);
  const noun = type === "integer" ? "a whole number" : "a number";
  const isBound = (value: unknown) => typeof value === "number" && Math.abs(value) < Number.MAX_SAFE_INTEGER;
  const bounds = [
    isBound(minimum) && `from ${minimum}`,
    isBound(exclusiveMinimum) && `over ${exclusiveMinimum}`,
    isBound(maximum) && `to ${maximum}`,
    isBound(exclusiveMaximum) && `to below ${exclusiveMaximum}`,
  ];
  return [noun, ...bounds].filter(Boolean).join(" ");
}

/** The words among which a typo may have meant one. */
export function valuesOf(schema: z.core.$ZodType): string[] {
  const { known } = metaOf(schema);
  if (known) return [...known];
  const definition = definitionOf(core(schema));
  if (definition.type === "enum") return Object.values(definition.entries).map(String);
  if (definition.type === "literal") return definition.values.map(String);
  if (definition.type === "union") return definition.options.flatMap(valuesOf);
  return definition.type === "array" ? valuesOf(definition.element) : [];
}

/** What holds where the key is left out; undefined: it must be there. */
export function absentWords(schema: z.core.$ZodType): string | undefined {
  const { absent } = metaOf(schema);
  if (absent !== undefined) return absent;
  const definition = definitionOf(schema);
  if (definition.type !== "default") return undefined;
  const value = definition.defaultValue;
  const plain = Array.isArray(value) && value.length === 1 ? value[0] : value;
  return plain === "" ? "nothing" : String(plain);
}
