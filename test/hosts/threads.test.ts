import { describe } from "vitest";
import { threadCases } from "./thread_cases.ts";

describe("threads, as the engine comes", threadCases);
