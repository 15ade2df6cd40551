/**
 * Where templates of model files run: QuickJS in WebAssembly. Nothing of the host is within their reach, and time, memory and depth of
 * calls have limits, which a thread or a process of Node's would not keep as firmly: a worker over its heap limit ends the process.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import releaseSync from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSRuntime,
  type QuickJSSyncVariant,
} from "quickjs-emscripten-core";
import { asset } from "../../engine/host/assets.ts";
import { InputError } from "../../errors.ts";

/** The package's types are those of its CommonJS half, where the variant is a member. */
const quickjsBuild = releaseSync as unknown as QuickJSSyncVariant;

const MIB = 2 ** 20;
/** What QuickJS may allocate; the pages behind it hold its stack and what lies between its blocks. */
const HEAP_BYTES = 24 * MIB;
const PAGES = { initial: 256, maximum: 1024 };
const STACK_BYTES = 160 * 1024;
/** QuickJS asks whether to go on after every 10,000 steps or so; so often in some two seconds of a machine with nothing else to do. */
const ASKED_MOST = 1500;
/** Processor time, for what is slow between two questions. */
const SECONDS_MOST = 20;

/** Calls of functions from texts to texts. After a limit was met nothing can be called any more. */
export class Sandbox {
  private readonly runtime: QuickJSRuntime;
  private readonly context: QuickJSContext;
  private deadline = Number.POSITIVE_INFINITY;
  private asked = 0;
  private late = false;
  private broken = false;

  private constructor(runtime: QuickJSRuntime) {
    this.runtime = runtime;
    this.context = runtime.newContext();
  }

  static async open(): Promise<Sandbox> {
    const wasmMemory = new WebAssembly.Memory(PAGES);
    const quickjs = await newQuickJSWASMModuleFromVariant(newVariant(quickjsBuild, { wasmMemory }));
    const runtime = quickjs.newRuntime();
    runtime.setMemoryLimit(HEAP_BYTES);
    runtime.setMaxStackSize(STACK_BYTES);
    runtime.setModuleLoader((name) => (name === LIBRARY ? jinjaSource() : ownSource(name)));
    const sandbox = new Sandbox(runtime);
    runtime.setInterruptHandler(() => {
      sandbox.late ||= ++sandbox.asked > ASKED_MOST || process.cpuUsage().user > sandbox.deadline;
      return sandbox.late;
    });
    const result = sandbox.context.evalCode(ownSource("guard.js"), "guard.js", { type: "module" });
    sandbox.context.unwrapResult(result).dispose();
    return sandbox;
  }

  /** Calls a function of guard.ts. An InputError says why there is no result; `what` begins its message. */
  call(name: "open" | "render", text: string, what: string): string {
    if (this.broken) throw new InputError(`${what} went beyond its limits before`);
    const { context } = this;
    this.deadline = process.cpuUsage().user + 1e6 * SECONDS_MOST;
    this.asked = 0;
    this.late = false;
    try {
      const [target, argument] = [context.getProp(context.global, name), context.newString(text)];
      const result = context.callFunction(target, context.undefined, argument);
      target.dispose();
      argument.dispose();
      if (result.error) {
        const thrown = context.dump(result.error);
        result.error.dispose();
        throw this.explained(thrown, what);
      }
      const made = context.getString(result.value);
      result.value.dispose();
      return made;
    } catch (error) {
      if (error instanceof InputError) throw error;
      // The stack of the host, or the memory around QuickJS: its own state is no longer to be trusted.
      this.broken = true;
      throw new InputError(`${what} nests too deeply or needs too much memory`);
    }
  }

  dispose(): void {
    if (this.broken) return; // its objects cannot be counted any more; the garbage collector takes it all
    this.broken = true;
    this.context.dispose();
    this.runtime.dispose();
  }

  private explained(thrown: unknown, what: string): InputError {
    const { name, message } = Object(thrown) as { name?: string; message?: string };
    if (this.late) {
      this.broken = true;
      return new InputError(
        `${what} takes more than ${ASKED_MOST / 100} million steps, or ${SECONDS_MOST} s: it may never end`,
      );
    }
    // Where no memory is left for the error itself, nothing is thrown but null.
    if (thrown === null || (name === "InternalError" && /memory|too long/.test(message ?? ""))) {
      this.broken = true;
      return new InputError(`${what} needs more than ${HEAP_BYTES / MIB} MiB of memory`);
    }
    if (name === "InternalError" && /stack/.test(message ?? ""))
      return new InputError(`${what} nests or calls itself too deeply`);
    // The parser reads on behind the last token of a template that ends too early.
    const text = name === "TypeError" ? `is incomplete or wrong (${message})` : String(message ?? thrown);
    return new InputError(`${what}: ${text.slice(0, MESSAGE_MAX)}${text.length > MESSAGE_MAX ? "…" : ""}`);
  }
}

const MESSAGE_MAX = 300;

const LIBRARY = "@huggingface/jinja";
let source: string | undefined;

/** guard.ts and what it imports, compiled. */
function ownSource(name: string): string {
  return readFileSync(asset(`src/llm/chat/${name}`), "utf8");
}

/** The library as one module; it imports nothing. */
function jinjaSource(): string {
  const main = createRequire(import.meta.url).resolve(LIBRARY);
  source ??= readFileSync(path.join(path.dirname(main), "index.js"), "utf8");
  return source;
}
