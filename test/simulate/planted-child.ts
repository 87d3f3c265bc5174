// Plays seeds with one planted bug: planted-child NUMBER COUNT. Prints the seed that finds it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { planted } from "./planted.ts";

const root = join(import.meta.dirname, "..", "..");
const [number, count] = process.argv.slice(2).map(Number);
const bug = planted[number ?? -1];
if (bug === undefined || count === undefined) process.exit(64);

const path = join(root, bug.file);
const text = readFileSync(path, "utf8");
if (text.split(bug.from).length !== 2) {
  console.error(`${bug.file} does not have this once: ${bug.from}`);
  process.exit(3);
}
let changed = false;
Bun.plugin({
  name: "planted bug",
  setup: (build) => {
    build.onLoad({ filter: new RegExp(`${bug.file.replaceAll(".", "\\.")}$`) }, () => {
      changed = true;
      return { contents: text.replace(bug.from, () => bug.to), loader: "ts" };
    });
  },
});

// Only now, so that it is read as it was changed.
const { play } = await import("./play.ts");
if (!changed) {
  console.error(`${bug.file} was not read`);
  process.exit(3);
}

// What the bug breaks may end in a place where nobody waits for it.
let escaped: string | null = null;
process.on("unhandledRejection", (reason) => {
  escaped ??= String(reason);
});

/** What is wrong with a seed; null for nothing. */
function look(seed: number): string | null {
  try {
    return play(seed, null).wrong[0] ?? escaped;
  } catch (thrown) {
    return String(thrown);
  }
}

for (let played = 0; played < count; played += 1) {
  // The one that has found it before, then all in turn.
  const seed = played === 0 ? bug.seed : played;
  const wrong = look(seed);
  if (wrong === null) continue;
  console.log(JSON.stringify({ seed, wrong }));
  process.exit(0);
}
console.log(JSON.stringify({ seed: null, wrong: null }));
process.exit(0);
