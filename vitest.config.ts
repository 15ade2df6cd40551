import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    reporters: ["default", "./test/not_run.ts"],
    include: ["test/**/*.test.ts"],
    // ends what hangs; long enough for a machine with thirty other jobs
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    maxWorkers: 2,
    // lines of a comparison that fails
    diff: { truncateThreshold: 10 },
  },
});
