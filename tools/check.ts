// `npm run check`: every static check, each to its end whatever the others say.
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** Programs of node_modules/.bin run under Bun, so that no Node is needed beside it. */
const tool = (name: string): string => join(root, "node_modules", ".bin", name);

const checks: Readonly<Record<string, readonly string[]>> = {
  types: [process.execPath, tool("tsc"), "--noEmit", "-p", root],
  promises: [process.execPath, tool("eslint"), "--max-warnings=0", root],
  "format and lint": [process.execPath, tool("biome"), "check", "--error-on-warnings", root],
  tidy: [process.execPath, "test", "--only-failures", "./test/tidy.test.ts"],
};

async function runCheck(name: string, command: readonly string[]): Promise<boolean> {
  const startedMs = performance.now();
  const child = Bun.spawn({ cmd: [...command], cwd: root, stdout: "pipe", stderr: "pipe" });
  const texts = [new Response(child.stdout).text(), new Response(child.stderr).text()];
  const ok = (await child.exited) === 0;
  const said = (await Promise.all(texts)).join("").trim();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${ok ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  if (!ok) console.log(said.replace(/^/gm, "     | "));
  return ok;
}

const outcomes = await Promise.all(
  Object.entries(checks).map(([name, command]) => runCheck(name, command)),
);
const failed = outcomes.filter((ok) => !ok).length;
console.log(failed === 0 ? "every check passed" : `${failed} of ${outcomes.length} checks failed`);
process.exit(failed === 0 ? 0 : 1);
