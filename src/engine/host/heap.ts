/**
 * The JavaScript heap of a process that runs a model holds little, but V8 lets its young generation grow to 16 MiB while programs are compiled,
 * and keeps garbage as long as there is room. A process that is ours alone, such as a command's, may be told otherwise.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let small = false;

/** The young generation stays as it is: some more, shorter collections. For the whole process, before anything is loaded. */
export function keepHeapSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  small = true;
}

export function isHeapSmall(): boolean {
  return small;
}

/** Gives back what is not needed any more, in a process whose heap is kept small; in any other it is not ours to decide when. */
export function collectGarbage(): void {
  if (!small) return;
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
