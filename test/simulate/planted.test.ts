import { expect, test } from "bun:test";
import { join } from "node:path";
import { planted } from "./planted.ts";

const child = join(import.meta.dirname, "planted-child.ts");
const seedsMax = 300;

interface Found {
  readonly seed: number | null;
  readonly wrong: string | null;
}

// A simulation that finds nothing in a good program has shown nothing yet.
for (const [number, { what }] of planted.entries()) {
  test(`it is found when ${what}`, async () => {
    const command = [process.execPath, "run", child, `${number}`, `${seedsMax}`];
    const program = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
    const texts = [new Response(program.stdout).text(), new Response(program.stderr).text()];
    const [output = "", errors = ""] = await Promise.all(texts);
    expect([await program.exited, errors]).toEqual([0, ""]);
    const found: Found = JSON.parse(output);
    console.log(`seed ${found.seed}: ${what}: ${found.wrong?.split("\n")[0]}`);
    expect(found.seed).not.toBeNull();
  }, 120_000);
}
