import { expect, test } from "vitest";
import { arenaPicture, listing, regionsOf } from "../../src/engine/plan/explain.ts";
import { generation } from "./llama_plans.ts";

/** What a change does to the plan of a small model, for a reviewer to read: `npx vitest run test/plans -u` writes it anew. */
test("the plan of a Llama of one layer in Q8_0", async () => {
  const program = generation();
  const plan = program.plans.get("generate")!;
  const { cells } = arenaPicture(plan, program.slots, 16, 80);
  const picture = cells
    .map((row) =>
      row.map((storage) => (storage < 0 ? "·" : String.fromCharCode(97 + (storage % 26)))).join(""),
    )
    .reverse();
  const regions = regionsOf(program).map(({ name, offset, bytes }) => `${name} ${offset} ${bytes}`);
  const text = [...regions, "", ...picture, "", ...listing(plan), ""].join("\n");
  await expect(text).toMatchFileSnapshot("generate.plan.txt");
});
