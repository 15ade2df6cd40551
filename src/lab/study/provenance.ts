import os from "node:os";
import { packageVersion } from "../../version.ts";
import type { Row } from "./row.ts";

/** What made a row, apart from its settings. */
export function provenance(command: string): Row["provenance"] {
  const [cpu] = os.cpus();
  return {
    edgewise: packageVersion(),
    node: process.version,
    build: "simd-threads",
    machine: {
      cpu: cpu?.model.trim() ?? "unknown",
      cores: os.cpus().length,
      memory_bytes: os.totalmem(),
      os: `${os.type()} ${os.release()}`,
    },
    command,
    finished: new Date().toISOString(),
  };
}
