/**
 * Jinja inside the sandbox (sandbox.ts loads this file there; it is never run by the host). Beyond the library's rules: what is undefined
 * has no attributes (as in Jinja2), names of JavaScript's own machinery are refused, ranges are short, and the names of months do not
 * depend on the machine.
 */
import {
  Environment,
  type Node,
  parse,
  type Scope,
  TracingInterpreter,
  tokenize,
  type Value,
} from "./origins.ts";

interface Member extends Node {
  readonly object: Node & { readonly value?: unknown };
  readonly property: Node & { readonly value?: unknown };
  readonly computed: boolean;
}

const MONTHS = "January February March April May June July August September October November December";
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday";
const RANGE_MAX = 100_000;
const REFUSED = /^(__.*|constructor|prototype)$/;

class Rules extends TracingInterpreter {
  private readonly bases = new Map<Node, string>();
  private readonly keys = new Set<Node>();

  override evaluate(node: Node | undefined, scope: Scope): Value {
    if (node?.type === "MemberExpression") this.watch(node as Member);
    const value = super.evaluate(node, scope);
    if (node === undefined) return value;
    if (value.type === "UndefinedValue" && this.bases.has(node))
      throw new Error(`${this.bases.get(node)} is undefined`);
    if (this.keys.has(node)) this.allow(value.value);
    return value;
  }

  private watch({ object, property, computed }: Member): void {
    this.bases.set(object, object.type === "Identifier" ? String(object.value) : "what is before a dot");
    if (computed) this.keys.add(property);
    else this.allow(property.value);
  }

  private allow(name: unknown): void {
    if (typeof name === "string" && REFUSED.test(name))
      throw new Error(`reads "${name}", which no template may`);
  }
}

function range(first: number, last?: number, step = 1): number[] {
  const [start, stop] = last === undefined ? [0, first] : [first, last];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= RANGE_MAX)) throw new Error(`range() of ${count} numbers; at most ${RANGE_MAX}`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

/** Python's strftime, in English; `now` counts milliseconds as if the local time were UTC. */
function strftime(now: number, format: string): string {
  const date = new Date(now);
  const [month, day] = [MONTHS.split(" ")[date.getUTCMonth()], DAYS.split(" ")[date.getUTCDay()]];
  const two = (value: number) => String(value).padStart(2, "0");
  const parts: Record<string, string> = {
    Y: String(date.getUTCFullYear()),
    m: two(date.getUTCMonth() + 1),
    d: two(date.getUTCDate()),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    H: two(date.getUTCHours()),
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    "%": "%",
  };
  return format.replace(/%(.)/g, (_, letter: string) => {
    if (parts[letter] === undefined) throw new Error(`strftime_now() has no %${letter}`);
    return parts[letter];
  });
}

const sandbox = globalThis as unknown as Record<string, (text: string) => string>;
let program: Node;

/** As in Jinja2 a line ends with \n, however the file ends it. */
sandbox.open = (source) => {
  program = parse(tokenize(source.replace(/\r\n?/g, "\n"), { lstrip_blocks: true, trim_blocks: true }));
  return "";
};

/** What the template makes of `{ now, variables }` in JSON: `{ text, runs }`, also in JSON, as a text with U+0000 would be cut at it. */
sandbox.render = (json) => {
  const { now, variables } = JSON.parse(json) as { now: number; variables: Record<string, unknown> };
  const scope = new Environment();
  const rules = new Rules(scope);
  const constants = { true: true, True: true, false: false, False: false, none: null, None: null };
  const functions = {
    range,
    strftime_now: (format: string) => strftime(now, format),
    raise_exception: (message: string) => {
      throw new Error(`says: ${message}`);
    },
  };
  for (const [name, value] of Object.entries({ ...constants, ...functions, ...variables })) {
    const set = scope.set(name, value);
    const contents = name === "messages" ? contentsOf(set) : [];
    rules.learn(set, (text) => (contents.includes(text) ? contents.indexOf(text) : undefined));
  }
  try {
    const text = rules.run(program);
    return JSON.stringify({ text: text.value, runs: rules.runsOf(text) });
  } catch (error) {
    // The library leaves a loop by an error without words.
    if (error instanceof Error && error.message === "")
      throw new Error("break or continue outside of a loop");
    throw error;
  }
};

/** The content of every message. */
function contentsOf(messages: Value): Value[] {
  return (messages.value as { value: Map<string, Value> }[]).map(({ value }) => value.get("content")!);
}
