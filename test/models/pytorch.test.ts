/** Tiny random Llamas beside PyTorch. */
import { besidePyTorch } from "./beside_pytorch.ts";
import { goldenModels, openGolden } from "./golden.ts";

for (const model of goldenModels) besidePyTorch(model, () => openGolden(model));
