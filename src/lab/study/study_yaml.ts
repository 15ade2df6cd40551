/** The YAML of a study file: its value, the line of every part, and what is wrong with it. */
import {
  type Document,
  type ErrorCode,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
} from "yaml";

/** A rule that a line breaks. */
export interface Complaint {
  readonly line: number;
  readonly text: string;
}

export interface YamlFile {
  /** undefined where the text is not YAML. Of a key that is there twice it has the last. */
  readonly value: unknown;
  /** The line of the deepest key of the path that stands in the file. */
  lineOf(path: readonly PropertyKey[]): number;
  readonly complaints: readonly Complaint[];
}

/** What breaks a rule of YAML, and how. */
const RULES: Record<ErrorCode, string> = {
  ALIAS_PROPS: "an alias (*name) takes no tag or anchor",
  BAD_ALIAS: "an alias (*name) needs its anchor (&name) before it, and not around it",
  BAD_COLLECTION_TYPE: "the tag does not fit what it stands before",
  BAD_DIRECTIVE: "the line that begins with % says nothing that is known",
  BAD_DQ_ESCAPE: 'no such escape in double quotes; for a plain \\ write "\\\\", or use single quotes',
  BAD_INDENT: "the indentation does not fit the lines above, or a [ or { is not closed",
  BAD_PROP_ORDER: "a tag or an anchor stands in the wrong place",
  BAD_SCALAR_START: "a text cannot begin with this character; put it in quotes",
  BLOCK_AS_IMPLICIT_KEY: "a second key: on the same line; put a text that has a colon in quotes",
  BLOCK_IN_FLOW: "inside [ ] and { } lists and maps are written with [ ] and { } too",
  DUPLICATE_KEY: "the key is there twice",
  IMPOSSIBLE: "this cannot be understood",
  KEY_OVER_1024_CHARS: "a key has at most 1024 characters",
  MISSING_CHAR: "a closing quote or bracket, or a comma, is missing",
  MULTILINE_IMPLICIT_KEY: "a key stands on one line, and its colon is missing or on another",
  MULTIPLE_ANCHORS: "one value has two anchors",
  MULTIPLE_DOCS: "a second document begins; a study file is one",
  MULTIPLE_TAGS: "one value has two tags",
  NON_STRING_KEY: "a key must be a text",
  RESOURCE_EXHAUSTION: "its aliases (*name) stand for too many values",
  TAB_AS_INDENT: "a tab indents; YAML takes spaces only",
  TAG_RESOLVE_FAILED: "the tag (!name) is not known",
  UNEXPECTED_TOKEN: "something stands where nothing can; an earlier line may be indented wrongly",
};

export function readYaml(text: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, logLevel: "error" });
  const lineAt = (offset: number) => lines.linePos(offset).line;
  const complaint = (code: ErrorCode, offset: number): Complaint => {
    const line = lineAt(offset);
    const shown = text.split("\n")[line - 1].trim() || "(an empty line)";
    return { line, text: `not YAML: ${RULES[code]}: ${shown}` };
  };
  const all = [...document.errors, ...document.warnings];
  const complaints = all.map(({ code, pos }) => complaint(code, pos[0]));
  for (const offset of brokenAliases(document)) complaints.push(complaint("BAD_ALIAS", offset));
  // One slip breaks a rule on line after line: each line has its say once.
  const first = complaints.filter(({ line }, i) => complaints.findIndex((one) => one.line === line) === i);
  const isSound = all.every(({ code }) => code === "DUPLICATE_KEY") && first.length === all.length;
  return {
    value: isSound ? readable(document, first) : undefined,
    lineOf: (path) => lineIn(document, lineAt, path),
    complaints: first,
  };
}

/** Few aliases of aliases can stand for more values than a machine holds. */
function readable(document: Document, complaints: Complaint[]): unknown {
  try {
    return document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    complaints.push({ line: 1, text: `not YAML: ${RULES.RESOURCE_EXHAUSTION}` });
    return undefined;
  }
}

const MOST_ALIASES = 1000;

/** Where an alias names nothing before it, or what it stands in itself. */
function brokenAliases(document: Document): number[] {
  const broken: number[] = [];
  visit(document, {
    Alias(_, alias, ancestors) {
      const target = alias.resolve(document);
      const stands = ancestors.some((ancestor) => ancestor === target);
      if (target === undefined || stands) broken.push(alias.range![0]);
    },
  });
  return broken;
}

function lineIn(
  document: Document,
  lineAt: (offset: number) => number,
  path: readonly PropertyKey[],
): number {
  for (let depth = path.length; depth > 0; depth--) {
    const holder = depth > 1 ? document.getIn(path.slice(0, depth - 1), true) : document.contents;
    const pair = isMap(holder) && holder.items.find(({ key }) => nameOf(key) === String(path[depth - 1]));
    const node = pair ? pair.key : document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return lineAt(node.range[0]);
  }
  return 1;
}

const nameOf = (key: unknown) => String(isScalar(key) ? key.value : key);
