// Makes a qcow2 image of `PATH.raw`: `qemu-img-program.ts PATH QUIET-MS`. It prints what came of it.
import { convertTo } from "../../src/app/backup/qemu-img.ts";
import { asSheepfsError } from "../../src/base/errors.ts";

const [path = "", quietMs = ""] = process.argv.slice(2);
const target = { path, format: "qcow2", compare: false } as const;
try {
  await convertTo(target, `${path}.raw`, { check: () => {}, quietMs: Number(quietMs) });
  console.log("done");
} catch (thrown) {
  const { code, message } = asSheepfsError(thrown);
  console.log(`${code}: ${message}`);
}
