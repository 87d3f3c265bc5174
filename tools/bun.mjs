// Runs the project's own Bun with the given arguments, from a clone that has nothing but Node and
// npm: installs the locked packages first when they are missing or older than the lock file.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");

/**
 * The executable that runs here. The package `bun` has an install script that moves it out of the
 * platform's package; where npm runs no scripts it stays there.
 */
function findBun() {
  const platforms = join(modules, "@oven");
  // A host without AVX2 gets a "-baseline" package beside or instead of the plain one.
  const names = existsSync(platforms) ? readdirSync(platforms) : [];
  names.sort((a, b) => b.length - a.length);
  const places = [
    join(modules, "bun", "bin", "bun.exe"),
    ...names.map((name) => join(platforms, name, "bin", "bun")),
  ];
  const runs = (bun) => existsSync(bun) && spawnSync(bun, ["--version"]).status === 0;
  return places.find(runs) ?? null;
}

function installed() {
  const stamp = join(modules, ".package-lock.json");
  const lock = join(root, "package-lock.json");
  return (
    existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs && findBun() !== null
  );
}

if (!installed()) {
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (npm.status !== 0) {
    console.error("npm ci failed: the packages in package-lock.json could not be installed");
    process.exit(1);
  }
}
const bun = findBun();
if (bun === null) {
  console.error(
    `no Bun for ${process.platform}-${process.arch} under node_modules; remove it and run npm ci`,
  );
  process.exit(1);
}
const child = spawn(bun, process.argv.slice(2), { stdio: "inherit", cwd: root });
// A terminal's Ctrl-C reaches the program too; it decides when it is over, and we wait for it.
process.on("SIGINT", () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  console.error(`${bun} could not be started: ${error.message}`);
  process.exit(1);
});
child.on("close", (code) => process.exit(code ?? 1));
