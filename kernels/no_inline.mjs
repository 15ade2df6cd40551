/** A transform of asc: the optimiser leaves the function that waits a function of its own (see threads.ts). */
import { Transform } from "assemblyscript/transform";

export default class extends Transform {
  afterCompile(module) {
    this.binaryen.setPassArgument("no-inline", "kernels/threads/sleep");
    module.runPasses(["no-inline"]);
  }
}
