import { EXIT } from "./failure.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Runs work that can stop half-way: the first Ctrl-C aborts the signal, and the work ends as it sees fit; a second one ends the process.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    process.exitCode = EXIT.interrupted;
    controller.abort();
  };
  for (const name of SIGNALS) process.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of SIGNALS) process.off(name, stop);
  }
}
