/** The documents of --json: keys in one spelling, that of the options with underscores (`cache_type`, `n_ctx`). */

/** Prints a document as the only thing on stdout. */
export function printJson(document: object): void {
  process.stdout.write(`${JSON.stringify(snakeCased(document), null, 2)}\n`);
}

/** The same value with every camelCase key as camel_case. */
export function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`).toLowerCase(),
      snakeCased(part),
    ]),
  );
}
