// `npm run bench [-- mount | snapshot | webdav | export | scale]`: how fast it is beside what could be
// had, and beside its peers. Ratios count; the numbers are this machine's. Never passes or fails.
import { measureExport } from "./export.ts";
import { machine } from "./machine.ts";
import { measureMount } from "./mount.ts";
import { measureScale } from "./scale.ts";
import { measureSnapshots } from "./snapshot.ts";
import { measureWebdav } from "./webdav/measure.ts";

const parts = new Map([
  ["mount", measureMount],
  ["snapshot", measureSnapshots],
  ["webdav", measureWebdav],
  ["scale", measureScale],
  ["export", measureExport],
]);
/** Takes minutes, so it is measured when it is named. */
const onlyNamed = "scale";

const startedMs = performance.now();
const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !parts.has(name));
if (unknown !== undefined) {
  console.error(`there is no part '${unknown}'; there are: ${[...parts.keys()].join(", ")}`);
  process.exit(2);
}
console.log(`\n${machine()}\n`);
for (const [name, measure] of parts) {
  if (wanted.length === 0 ? name !== onlyNamed : wanted.includes(name)) await measure();
}
console.log(`measured in ${Math.round((performance.now() - startedMs) / 1000)} s`);
process.exit(0);
