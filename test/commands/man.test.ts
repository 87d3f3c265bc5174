import { expect, test } from "bun:test";
import { join } from "node:path";
import { commandLoaders } from "../../src/cli/registry.ts";
import { must, run, sheepfsBinary, TemporaryFolder } from "../support/process.ts";

test("the manual page is without fault and has every command", async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "sheepfs.8");
  await Bun.write(path, await must([await sheepfsBinary(), "man"]));
  const lint = await run(["mandoc", "-Tlint", "-W", "warning", path]);
  expect([lint.stdout, lint.stderr, lint.exitCode]).toEqual(["", "", 0]);
  const text = await must(["mandoc", "-T", "utf8", "-O", "width=200", path]);
  // Bold letters are overstruck: what is before a backspace is the same letter.
  const parts = text.split("\b");
  const plain = parts
    .map((part, at) => (at < parts.length - 1 ? part.slice(0, -1) : part))
    .join("");
  expect(plain).toStartWith("SHEEPFS(8)");
  for (const [name, load] of Object.entries(commandLoaders)) {
    const found = await load();
    const one = "commands" in found ? Object.keys(found.commands)[0] : "";
    expect(plain).toContain(`   sheepfs ${name} ${one}`.trimEnd());
  }
  expect(plain).toMatch(/^ +-s, --sheep=HOST:PORT\[,HOST:PORT\]\.\.\.$/m);
  expect(plain).toContain("attaches the VDI 'test': its bytes are the file /mnt/sheep/volume/test");
  expect(plain).toMatch(/^ +64 +wrong command line$/m);
  expect(plain).toContain("   vdi/VDI/");
});
