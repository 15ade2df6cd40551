// Prints the counts of a vitest run as one line.
import { readFileSync } from "node:fs";

const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests } = JSON.parse(
  readFileSync(process.argv[2], "utf8"),
);
// A test file that cannot be loaded counts as one failure.
const failed = Math.max(numFailedTests, numFailedTestSuites > 0 ? 1 : 0);
console.log(`${numPassedTests} passed, ${failed} failed, ${numPendingTests} skipped`);
process.exit(failed ? 1 : 0);
