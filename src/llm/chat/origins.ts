/**
 * Jinja that knows of every character that it writes whether the template wrote it or a message said it (in the sandbox; see guard.ts). A
 * text is followed through joining and trimming; what else is made of texts of messages counts as said by them. So what a template chooses
 * because of a message stays the template's own, and nothing that a message says ever becomes its own.
 */
import * as library from "@huggingface/jinja";

export interface Node {
  readonly type: string;
}
export interface Value {
  readonly type: string;
  readonly value: unknown;
}
export interface Scope {
  set(name: string, value: unknown): Value;
}
/** What is used of the library; its own types name files without extensions, which do not resolve here. */
interface Jinja {
  readonly Environment: new () => Scope;
  readonly Interpreter: new (
    scope: Scope,
  ) => {
    run(program: Node): Value;
    evaluate(node: Node | undefined, scope: Scope): Value;
    evaluateBlock(statements: readonly Node[], scope: Scope): Value;
  };
  tokenize(source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown;
  parse(tokens: unknown): Node;
}
export const { Environment, Interpreter, parse, tokenize } = library as unknown as Jinja;

/** Characters in a row that the template wrote (OWN), that it made of messages (MADE), or that message number `from` says. */
export interface Run {
  readonly length: number;
  readonly from: number;
}
const OWN = -1;
const MADE = -2;

const StringValue = new Environment().set("text", "").constructor as new (text: string) => Value;
const LITERALS = ["ArrayLiteral", "TupleLiteral", "ObjectLiteral"];
const TRIMS: readonly unknown[] = ["trim", "strip", "lstrip", "rstrip"];

interface Frame {
  /** What was evaluated for a node, in order, but for blocks. */
  readonly parts: Value[];
  readonly blocks: Value[];
}

export class TracingInterpreter extends Interpreter {
  /** Of every text that was seen. */
  private readonly origins = new WeakMap<Value, readonly Run[]>();
  /** Methods of what messages say, with what they belong to; and objects with such keys, with themselves. */
  private readonly bound = new WeakMap<Value, Value>();
  /** Lists whose texts were all seen; lists do not change. */
  private readonly known = new WeakSet<Value>();
  private frame: Frame = { parts: [], blocks: [] };

  /** Whose the characters of a text are. */
  runsOf(text: Value): readonly Run[] {
    return this.origins.get(text) ?? [{ length: String(text).length, from: MADE }];
  }

  /** Every text in a value is the template's own, or (by what `messageOf` says) that of a message. */
  learn(value: Value, messageOf: (text: Value) => number | undefined): void {
    for (const text of texts(value)) this.claim(text, messageOf(text) ?? OWN);
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    const outer = this.frame;
    this.frame = { parts: [], blocks: [] };
    try {
      const value = super.evaluate(node, scope);
      if (node !== undefined) this.trace(node, value, this.frame);
      outer.parts.push(value);
      return value;
    } finally {
      this.frame = outer;
    }
  }

  /** What the library's does, and whose the characters are. */
  override evaluateBlock(statements: readonly Node[], scope: Scope): Value {
    const written: Value[] = [];
    for (const statement of statements) {
      const value = this.evaluate(statement, scope);
      if (value.type !== "NullValue" && value.type !== "UndefinedValue") written.push(value);
    }
    const text = new StringValue(written.join(""));
    this.origins.set(text, this.joined(written));
    this.frame.blocks.push(text);
    return text;
  }

  /** Finds out whose the texts of a value are that was made of a frame. */
  private trace(node: Node, value: Value, frame: Frame): void {
    const { parts, blocks } = frame;
    if (node.type === "ObjectLiteral" && parts.some((each, i) => i % 2 === 0 && this.isSaid(each)))
      this.bound.set(value, value);
    // What they hold was evaluated before.
    const made = LITERALS.includes(node.type) || (node.type === "BinaryExpression" && isList(value));
    if (made && isList(value)) this.known.add(value);
    if (made || this.known.has(value) || this.origins.has(value)) return;
    if (value.type === "StringValue") {
      this.traceText(node, value, frame);
      return;
    }
    const said = value.type === "FunctionValue" || isList(value) || value.value instanceof Map;
    const source = said ? [...parts, ...blocks].find((each) => this.isSaid(each)) : undefined;
    if (source && value.type === "FunctionValue" && node.type === "MemberExpression")
      this.bound.set(value, source);
    for (const text of texts(value, this.known))
      if (!this.origins.has(text)) this.claim(text, source ? MADE : OWN);
    if (isList(value)) this.known.add(value);
  }

  private traceText(node: Node, value: Value, { parts, blocks }: Frame): void {
    const pieces = node.type === "For" ? blocks : node.type === "BinaryExpression" ? parts : [];
    if (pieces.length > 0 && pieces.join("") === value.value) {
      this.origins.set(value, this.joined(pieces));
      return;
    }
    const source = [...parts, ...blocks].find((each) => this.isSaid(each));
    const receiver = source && (this.bound.get(source) ?? source);
    if (receiver?.type === "StringValue" && TRIMS.includes(calledName(node)))
      this.origins.set(
        value,
        part(this.runsOf(receiver), String(receiver).indexOf(String(value)), String(value)),
      );
    // A variable that was never evaluated: the library made it, of keys for instance.
    else this.claim(value, source || node.type === "Identifier" ? MADE : OWN);
  }

  private claim(text: Value, from: number): void {
    this.origins.set(text, [{ length: String(text).length, from }]);
  }

  private isSaid(value: Value): boolean {
    if (this.bound.has(value)) return true;
    for (const text of texts(value))
      if (this.origins.get(text)?.some(({ from, length }) => from !== OWN && length > 0)) return true;
    return false;
  }

  /** Values written one after another. */
  private joined(values: readonly Value[]): Run[] {
    const runs: Run[] = [];
    for (const value of values) {
      const whole = { length: String(value).length, from: this.isSaid(value) ? MADE : OWN };
      for (const run of value.type === "StringValue" ? this.runsOf(value) : [whole]) {
        const last = runs[runs.length - 1];
        if (last?.from === run.from) runs[runs.length - 1] = { ...last, length: last.length + run.length };
        else if (run.length > 0) runs.push(run);
      }
    }
    return runs;
  }
}

function isList({ type }: Value): boolean {
  return type === "ArrayValue" || type === "TupleValue";
}

/** The texts in a value, lists and objects opened, but for these lists. */
function* texts(value: Value, known?: WeakSet<Value>, seen = new Set<Value>()): Generator<Value, void> {
  if (value.type === "StringValue") yield value;
  const { value: inner } = value;
  if (!(Array.isArray(inner) || inner instanceof Map) || known?.has(value) || seen.has(value)) return;
  seen.add(value);
  for (const each of inner.values()) yield* texts(each as Value, known, seen);
}

/** The runs of `text`, which stands at `start`. */
function part(runs: readonly Run[], start: number, { length }: string): Run[] {
  const found: Run[] = [];
  let at = 0;
  for (const run of runs) {
    const overlap = Math.min(at + run.length, start + length) - Math.max(at, start);
    if (overlap > 0) found.push({ length: overlap, from: run.from });
    at += run.length;
  }
  return found;
}

/** Name of the filter or of the method that a node calls. */
function calledName(node: Node): unknown {
  const { filter, callee } = node as { filter?: Name; callee?: Name };
  const { value, property, callee: inner } = filter ?? callee ?? {};
  return value ?? property?.value ?? inner?.value;
}

interface Name {
  readonly value?: unknown;
  readonly property?: Name;
  readonly callee?: Name;
}
