interface Kind {
  /** First bytes, or a pattern of the first characters. */
  starts: readonly number[] | RegExp;
  is: string;
}

/** Files that people take for a GGUF file. */
const KINDS: readonly Kind[] = [
  {
    starts: /^\s*<(!doctype|html|\?xml)/i,
    is: "looks like a web page: the download gave an error page instead of the file",
  },
  {
    starts: /^version https:\/\/git-lfs/,
    is: "is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`",
  },
  {
    starts: /^.{8}\{/s,
    is: "looks like a safetensors file; convert it with convert_hf_to_gguf.py of llama.cpp",
  },
  {
    starts: [0x50, 0x4b, 0x03, 0x04],
    is: "is a zip archive, such as a PyTorch checkpoint; convert it to GGUF first",
  },
  { starts: [0x80, 0x02], is: "looks like a pickled PyTorch checkpoint; convert it to GGUF first" },
  { starts: [0x1f, 0x8b], is: "is compressed with gzip; unpack it first" },
  {
    starts: /^(lmgg|tjgg|fmgg|algg)/,
    is: "is of the format before GGUF (GGML, GGJT); convert the original model anew",
  },
  { starts: /^FUGG/, is: "has the letters of GGUF in the wrong order" },
  { starts: /^\s*[{[]/, is: "looks like JSON" },
  { starts: [0, 0, 0, 0, 0, 0, 0, 0], is: "begins with zeros, as a download that was not finished does" },
];
/** Bytes that tell. */
export const TELLING_BYTES = 64;

/** What a file that is no GGUF seems to be, from its first bytes; undefined where nothing says. */
export function kindOf(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, TELLING_BYTES));
  const found = KINDS.find(({ starts }) =>
    starts instanceof RegExp ? starts.test(start) : starts.every((byte, i) => bytes[i] === byte),
  );
  return found?.is;
}
