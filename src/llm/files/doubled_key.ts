/**
 * The first key that stands twice in one object of a JSON text, with the keys above it; undefined: none does. JSON.parse keeps the last of
 * two and says nothing. The text must have been parsed without error before.
 */
export function doubledKey(json: string): string[] | undefined {
  const open: { keys: Set<string> | undefined; key: string }[] = [];
  let wantsKey = false;
  for (let at = 0; at < json.length; at++) {
    const letter = json[at];
    if (letter === "{" || letter === "[")
      open.push({ keys: letter === "{" ? new Set() : undefined, key: "" });
    if (letter === "}" || letter === "]") open.pop();
    if (letter === "{" || letter === ",") wantsKey = open[open.length - 1]?.keys !== undefined;
    if (letter !== '"') continue;
    const end = endOfString(json, at);
    if (wantsKey) {
      const object = open[open.length - 1];
      object.key = JSON.parse(json.slice(at, end));
      if (object.keys!.has(object.key)) return open.map(({ key }) => key);
      object.keys!.add(object.key);
    }
    wantsKey = false;
    at = end - 1;
  }
  return undefined;
}

/** Behind the closing quote of the string that begins at `start`. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
  return at + 1;
}
