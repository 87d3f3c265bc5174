import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { startCluster, startSheepProcess } from "../support/cluster.ts";
import { CountingProxy } from "../support/counting-proxy.ts";
import { isMounted, mountSheepfs } from "../support/mount.ts";
import { must, run, sheepfs, sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { MiB, pattern, readAt, readEach, writeAt, writeEach } from "./bytes.ts";
import { OtherClient } from "./other-client.ts";

// The numbers are those of the original's defects in docs/ORIGINAL.md.

describe("snapshots and locks", () => {
  // Defect 5 [S-13]
  test("a snapshot is attached by its tag or its number, for reading only", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("tagged", { size: "8M" });
    await using other = await OtherClient.connect(cluster.address);
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    writeAt(mount.file("volume", vdi), 0, pattern(4096, 1));
    await other.snapshot(vdi, "before");
    writeAt(mount.file("volume", vdi), 0, pattern(4096, 2));
    for (const name of [`${vdi}@before`, `${vdi}@1`]) {
      mount.attach(name);
      const snapshot = mount.file("volume", name);
      expect(readAt(snapshot, 0, 4096).equals(pattern(4096, 1))).toBe(true);
      expect(() => openSync(snapshot, "r+")).toThrow(/EROFS|EACCES/);
      expect(statSync(snapshot).mode & 0o222).toBe(0);
    }
    expect(readAt(mount.file("volume", vdi), 0, 4096).equals(pattern(4096, 2))).toBe(true);
    expect(() => mount.attach(`${vdi}@after`)).toThrow("ENOENT");
  });

  // Defect 7 [S-18]
  test("in a cluster with locks nobody else gets a VDI that is attached, nor we what is locked", async () => {
    await using cluster = await startSheepProcess();
    await using other = await OtherClient.connect(cluster.address);
    await other.formatWithLocks();
    const vdi = await cluster.createVdi("locked", { size: "8M" });
    await using mount = await mountSheepfs(cluster);
    mount.attach(vdi);
    await expect(other.lock(vdi)).rejects.toThrow("result 0x7");
    mount.detach(vdi);
    await other.lock(vdi);
    expect(() => mount.attach(vdi)).toThrow("EBUSY");
    expect(readFileSync(mount.file("vdi", "mount"), "utf8")).toMatch(/busy {2}'locked.*locked/);
    await other.release((await other.find(vdi)).vid);
    mount.attach(vdi);
    expect(await mount.stop()).toBe(0);
    // The end of the program gives every lock back.
    await other.lock(vdi);
  });
});

describe("hypervolumes", () => {
  // Defects 9, 10
  test("first writes all over one are all there, and cost little more than their bytes", async () => {
    await using cluster = await startSheepProcess();
    await using proxy = await CountingProxy.before(cluster);
    await using other = await OtherClient.connect(cluster.address);
    await other.create("huge", 1 << 30, "hyper");
    await using mount = await mountSheepfs(proxy, { args: ["--attach", "huge"] });
    const volume = mount.file("volume", "huge");
    const offsets = Array.from({ length: 200 }, (_, index) => ((index * 67) % 256) * 4 * MiB);
    const bytes = pattern(4096, 3);
    const parts = [0, 1, 2, 3].map((part) => offsets.filter((_, index) => index % 4 === part));
    const { sentBytes } = await proxy.during(() =>
      Promise.all(parts.map((part) => writeEach(volume, part, bytes))),
    );
    expect(sentBytes).toBeLessThan(200 * (4096 + 8192));
    for (const found of await readEach(volume, offsets, 4096)) {
      expect(found.equals(bytes)).toBe(true);
    }
    expect(await mount.stop()).toBe(0);
    await using again = await mountSheepfs(cluster, { args: ["--attach", "huge"] });
    for (const offset of offsets) {
      expect(readAt(again.file("volume", "huge"), offset, 4096).equals(bytes)).toBe(true);
    }
  });
});

describe("the original's command line", () => {
  /** `sheepfs LINE MOUNTPOINT`, in front. */
  async function legacyMount(folder: string, line: readonly string[]) {
    const path = join(folder, "mnt");
    mkdirSync(path);
    const child = start([await sheepfsBinary(), ...line, path]);
    await child.until(({ stderr }) => (stderr.includes(` on ${path}`) ? true : null), "mount");
    return { path, child };
  }

  // Defect 13
  test("-o is what it was documented to be", async () => {
    await using cluster = await startSheepProcess();
    using folder = new TemporaryFolder();
    const [host = "", port = ""] = cluster.address.split(":");
    const { path, child } = await legacyMount(folder.path, ["-of", "-a", host, "-p", port]);
    await using _ = child;
    expect(readFileSync(join(path, "config", "object_cache"), "utf8")).toBe("1\n");
    expect(readFileSync(join(path, "config", "page_cache"), "utf8")).toBe("0\n");
    child.kill("SIGTERM");
    expect(await child.exit()).toBe(0);
  });

  // Defect 14
  test("-d stays in front and says everything there", async () => {
    await using cluster = await startSheepProcess();
    using folder = new TemporaryFolder();
    const [host = "", port = ""] = cluster.address.split(":");
    const { child } = await legacyMount(folder.path, ["-d", "-a", host, "-p", port]);
    await using _ = child;
    child.kill("SIGTERM");
    expect(await child.exit()).toBe(0);
    expect(child.stderr).toContain("SIGTERM");
  });

  // Defect 11
  test("an address may be shorter than the default one, or have no such length at all", async () => {
    using folder = new TemporaryFolder();
    for (const address of ["::1", "no.such.host.example"]) {
      const outcome = await sheepfs(["-a", address, "-p", "1", folder.path], {
        deadlineMs: 60_000,
      });
      expect(outcome.stderr).toContain(address);
      expect(outcome.exitCode).toBe(2);
      expect(isMounted(folder.path)).toBe(false);
    }
  }, 120_000);
});

describe("what it costs", () => {
  // Defect 15
  test("looking at the tree again and again asks the cluster about once a second", async () => {
    await using cluster = await startSheepProcess();
    await using proxy = await CountingProxy.before(cluster);
    await using mount = await mountSheepfs(proxy);
    await run(["ls", "-lR", mount.path]);
    const startedMs = performance.now();
    const { requests } = await proxy.during(async () => {
      for (let count = 0; count < 20; count += 1) await must(["ls", "-lR", mount.path]);
    });
    const seconds = Math.ceil((performance.now() - startedMs) / 1000);
    expect(requests).toBeLessThan(40 * (seconds + 1));
  });

  // Defect 22
  test("a read or a write of a block is one request, and nothing beside it", async () => {
    await using cluster = await startSheepProcess();
    await using proxy = await CountingProxy.before(cluster);
    const vdi = await cluster.createVdi("one", { size: "8M" });
    await using mount = await mountSheepfs(proxy, { args: ["--attach", vdi] });
    const volume = mount.file("volume", vdi);
    await writeEach(volume, [0, 4 * MiB], pattern(4096, 1));
    const offsets = Array.from({ length: 500 }, (_, index) => (index % 2) * 4 * MiB + index * 4096);
    for (const work of [
      () => writeEach(volume, offsets, pattern(4096, 2)),
      () => readEach(volume, offsets, 4096),
    ]) {
      const startedMs = performance.now();
      const { requests } = await proxy.during(work);
      // A few more for what goes on once a second.
      const seconds = Math.ceil((performance.now() - startedMs) / 1000);
      expect(requests).toBeLessThan(500 + 20 * (seconds + 1));
    }
  });

  // Defect 21 [S-20]
  test("attaching a volume of 16 TiB reads little, as does a small one", async () => {
    await using cluster = await startSheepProcess();
    await using proxy = await CountingProxy.before(cluster);
    const vdi = await cluster.createVdi("large", { size: "16T", objectSize: "16M" });
    await using mount = await mountSheepfs(proxy);
    const { requests } = await proxy.during(async () => {
      await must(["sh", "-c", `echo ${vdi} > ${mount.file("vdi", "mount")}`]);
    });
    expect(requests).toBeLessThan(20);
    const [found] = await readEach(mount.file("volume", vdi), [16 * 2 ** 40 - 4096], 4096);
    expect(found?.every((byte) => byte === 0)).toBe(true);
    const memory = readFileSync(`/proc/${mount.serverPid}/status`, "utf8");
    expect(Number(/VmHWM:\s+([0-9]+)/.exec(memory)?.[1])).toBeLessThan(200 * 1024);
  });

  // Defect 25
  test("texts that are read thousands of times leave nothing behind", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    const path = mount.file("node", "list");
    const resident = (): number => {
      const status = readFileSync(`/proc/${mount.serverPid}/status`, "utf8");
      return Number(/VmRSS:\s+([0-9]+)/.exec(status)?.[1]) / 1024;
    };
    for (let count = 0; count < 2_000; count += 1) await readFile(path);
    const before = resident();
    for (let count = 0; count < 6_000; count += 1) await readFile(path);
    expect(resident() - before).toBeLessThan(30);
    expect((await must(["ls", `/proc/${mount.serverPid}/fd`])).split("\n").length).toBeLessThan(64);
  }, 60_000);
});

describe("what it needs", () => {
  // Defect 27
  test("no other program's output is read: a dog in PATH is never run", async () => {
    await using cluster = await startCluster();
    using folder = new TemporaryFolder();
    const trace = join(folder.path, "ran");
    const dog = join(folder.path, "dog");
    writeFileSync(dog, `#!/bin/sh\necho "$@" >> ${trace}\n`);
    chmodSync(dog, 0o755);
    const env = { PATH: `${folder.path}:${process.env["PATH"]}`, LANG: "de_DE.UTF-8" };
    const vdi = await cluster.createVdi("alone", { size: "8M" });
    await using mount = await mountSheepfs(cluster, { env });
    mount.attach(vdi);
    await must([
      "sh",
      "-c",
      `cat ${["cluster/info", "vdi/list", "node/info", "node/list"]
        .map((name) => mount.file(name))
        .join(" ")}`,
    ]);
    mount.detach(vdi);
    expect(existsSync(trace)).toBe(false);
  });

  // Defect 26 [S-30]
  test("a start that fails half-way says why in one line and leaves nothing", async () => {
    await using cluster = await startCluster();
    using folder = new TemporaryFolder();
    using silence = silentServer();
    const port = await silence.port;
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [["-s", "127.0.0.1:1"], 2, "127.0.0.1:1"],
      [["-s", "no.such.host.example:7000"], 2, "no.such.host.example"],
      [["-s", `127.0.0.1:${port}`], 2, String(port)],
      [["-s", cluster.address, "--attach", "no-such-vdi"], 5, "no-such-vdi"],
      [["-s", cluster.address, "-o", "frobnicate"], 64, "frobnicate"],
    ];
    for (const [args, exitCode, names] of cases) {
      for (const how of [["-f"], []]) {
        const outcome = await sheepfs(["mount", folder.path, ...args, ...how], {
          deadlineMs: 70_000,
        });
        const errors = outcome.stderr
          .trim()
          .split("\n")
          .filter((line) => !line.includes("warn:"));
        expect([args, errors.length]).toEqual([args, 1]);
        expect(errors[0]).toContain(names);
        expect([args, outcome.exitCode]).toEqual([args, exitCode]);
        expect(isMounted(folder.path)).toBe(false);
      }
    }
  }, 300_000);
});

/** Takes connections and says something that no sheep says. */
function silentServer(): Disposable & { readonly port: Promise<number> } {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write("220 mail.example ready to take whatever you have for us today\r\n");
  });
  const port = new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  return { port, [Symbol.dispose]: () => server.close() };
}

// Defect 23 [S-29]
test("with the page cache, what others write is seen by whoever opens the volume then", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("cached", { size: "8M" });
  await using other = await OtherClient.connect(cluster.address);
  await using mount = await mountSheepfs(cluster, { args: ["--page-cache", "--attach", vdi] });
  const volume = mount.file("volume", vdi);
  writeAt(volume, 0, pattern(8192, 1));
  await must(["sync", volume]);
  expect(readAt(volume, 0, 8192).equals(pattern(8192, 1))).toBe(true);
  await other.write(vdi, 4096, pattern(4096, 2));
  expect(readAt(volume, 4096, 4096).equals(pattern(4096, 2))).toBe(true);
});
