/** What is typed, or comes through a pipe: line by line, with Ctrl-C as an event of its own. */
import readline from "node:readline";

const PROMPT = "> ";
const MORE = "… ";

export interface Input {
  /** The next turn; undefined at the end (Ctrl-D, or the end of the pipe). A line that ends with a backslash goes on. */
  next(): Promise<string | undefined>;
  /** Whether somebody is typing. */
  readonly terminal: boolean;
  /** Shows the prompt anew. */
  again(): void;
  close(): void;
}

/** `interrupt` is called at each Ctrl-C, unless it only throws away a line that was begun. */
export function openInput(interrupt: () => void): Input {
  const terminal = Boolean(process.stdin.isTTY && process.stderr.isTTY);
  // Answers are all that goes to stdout.
  const lines = readline.createInterface({ input: process.stdin, output: process.stderr, terminal });
  const queue: string[] = [];
  let ended = false;
  let wake = () => {};
  lines.on("line", (line) => {
    queue.push(line);
    wake();
  });
  lines.on("close", () => {
    ended = true;
    wake();
  });
  const stop = () => {
    if (!terminal || lines.line === "") return interrupt();
    lines.write(null, { ctrl: true, name: "e" });
    lines.write(null, { ctrl: true, name: "u" });
  };
  lines.on("SIGINT", stop);
  process.on("SIGINT", stop);

  const line = async (prompt: string): Promise<string | undefined> => {
    if (terminal && !ended) {
      lines.setPrompt(prompt);
      lines.prompt();
    }
    while (!queue.length && !ended)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return queue.shift();
  };
  return {
    terminal,
    async next() {
      let text = await line(PROMPT);
      while (text?.endsWith("\\")) text = `${text.slice(0, -1)}\n${(await line(MORE)) ?? ""}`;
      return text;
    },
    again: () => lines.prompt(),
    close() {
      process.off("SIGINT", stop);
      lines.close();
    },
  };
}
