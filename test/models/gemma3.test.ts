/** A tiny random Gemma 3 beside PyTorch: windowed and global layers, grouped queries, heads larger than channels / heads. */
import path from "node:path";
import { besidePyTorch } from "./beside_pytorch.ts";
import { goldenDirectory, openGolden } from "./golden.ts";

const directory = path.join(goldenDirectory, "../gemma3");

besidePyTorch("gemma3", () => openGolden("tiny", directory));
