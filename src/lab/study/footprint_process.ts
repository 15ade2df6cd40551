/** The process whose resident peak is measured: runs the program named by its argument once, and prints the peak in bytes. */
import { peakResident } from "../../llm/memory/peak.ts";
import { runOnce } from "./footprint.ts";

await runOnce(JSON.parse(process.argv[2]));
process.stdout.write(String(peakResident()));
