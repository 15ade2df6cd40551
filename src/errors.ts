/** What the user gave is wrong: the command line prints the message (where, rule, values, remedy) and exits with 1, without a stack. */
export class InputError extends Error {
  override readonly name = "InputError";
}
