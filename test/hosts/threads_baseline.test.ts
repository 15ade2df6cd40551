import { setFlagsFromString } from "node:v8";
import { describe } from "vitest";
import { threadCases } from "./thread_cases.ts";

// before any wasm of this process is compiled
setFlagsFromString("--liftoff-only");
describe("threads, with the engine's baseline compiler alone", threadCases);
