import { join } from "node:path";
import type { TestCluster } from "../support/cluster.ts";
import { start } from "../support/process.ts";

/** A null sheep in front of a real one, which is asked for all that is not data. */
export async function startNullSheep(
  stack: AsyncDisposableStack,
  sheep: TestCluster,
): Promise<TestCluster> {
  const program = join(import.meta.dirname, "null-sheep-program.ts");
  const child = stack.use(start([process.execPath, program, ...sheep.address.split(":")]));
  const port = await child.until(({ stdout }) => /^([0-9]+)\n/.exec(stdout)?.[1] ?? null, "port");
  return {
    address: `127.0.0.1:${port}`,
    embedded: false,
    createVdi: (label, wish) => sheep.createVdi(label, wish),
    [Symbol.asyncDispose]: async () => {},
  };
}
