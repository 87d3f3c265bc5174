import { dlopen, FFIType, ptr } from "bun:ffi";
import { expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, unlinkSync } from "node:fs";
import { startSheepProcess } from "../support/cluster.ts";
import { cannotMount, mountSheepfs } from "../support/mount.ts";
import { run } from "../support/process.ts";

const { symbols } = dlopen("libc.so.6", {
  getxattr: { args: ["cstring", "cstring", "ptr", FFIType.u64], returns: FFIType.i64 },
  listxattr: { args: ["cstring", "ptr", FFIType.u64], returns: FFIType.i64 },
});

function cstring(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

function xattr(path: string, name: string): string | null {
  const into = new Uint8Array(256);
  const bytes = Number(symbols.getxattr(cstring(path), cstring(name), ptr(into), into.length));
  return bytes < 0 ? null : new TextDecoder().decode(into.subarray(0, bytes));
}

function xattrNames(path: string): string[] {
  const into = new Uint8Array(1024);
  const bytes = Number(symbols.listxattr(cstring(path), ptr(into), into.length));
  return new TextDecoder()
    .decode(into.subarray(0, Math.max(0, bytes)))
    .split("\0")
    .slice(0, -1);
}

// [S-107]
test.skipIf(cannotMount !== null)(
  "extended attributes tell vid, copies and object size",
  async () => {
    await using cluster = await startSheepProcess();
    const vdi = await cluster.createVdi("attributes", { size: "8M", objectSize: "1M" });
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    mkdirSync(mount.file("snapshot", vdi, "one"));
    for (const path of [mount.file("volume", vdi), mount.file("snapshot", vdi, "one")]) {
      expect(xattrNames(path)).toContain("user.sheepfs.vid");
      expect(xattr(path, "user.sheepfs.vid")).toMatch(/^[0-9a-f]+$/);
      expect(xattr(path, "user.sheepfs.copies")).toBe("1");
      expect(xattr(path, "user.sheepfs.policy")).toBe("replicated");
      expect(xattr(path, "user.sheepfs.object-size")).toBe("1048576");
      expect(xattr(path, "user.other")).toBeNull();
    }
  },
);

// [S-103]
test.skipIf(cannotMount !== null)("a new file is a VDI only when it is given a size", async () => {
  await using cluster = await startSheepProcess();
  await using mount = await mountSheepfs(cluster);
  const path = mount.file("volume", "new");
  closeSync(openSync(path, "wx"));
  expect(existsSync(path)).toBe(false);
  const { stderr } = await run(["sh", "-c", `cat /proc/version > '${path}'`]);
  expect(stderr).toContain("No space left on device");
  expect(readdirSync(mount.file("volume"))).toEqual([]);
  const { exitCode } = await run(["truncate", "-s", "8M", path]);
  expect(exitCode).toBe(0);
  expect(readdirSync(mount.file("volume"))).toEqual(["new"]);
});

// [S-101] [S-103]
test.skipIf(cannotMount !== null)("what is open is not removed", async () => {
  await using cluster = await startSheepProcess();
  const vdi = await cluster.createVdi("open", { size: "8M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  mkdirSync(mount.file("snapshot", vdi, "one"));
  for (const path of [mount.file("volume", vdi), mount.file("snapshot", vdi, "one")]) {
    const fd = openSync(path, "r");
    expect(() => unlinkSync(path)).toThrow("EBUSY");
    closeSync(fd);
    expect(existsSync(path)).toBe(true);
  }
  unlinkSync(mount.file("volume", vdi));
  expect(readdirSync(mount.file("snapshot", vdi))).toEqual(["one"]);
});
