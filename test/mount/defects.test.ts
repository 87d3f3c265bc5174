import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { startCluster, startSheepProcess } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import { run, TemporaryFolder } from "../support/process.ts";
import { MiB, pattern, readAt, writeAt } from "./bytes.ts";
import { OtherClient } from "./other-client.ts";

// The numbers are those of the original's defects in docs/ORIGINAL.md.

describe("names", () => {
  // Defect 1 [S-17]
  test("a name with shell characters is only a name", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    using folder = new TemporaryFolder();
    const trace = join(folder.path, "pwned");
    for (const name of [`x; touch ${trace};`, `$(touch ${trace})`, `\`touch ${trace}\``]) {
      expect(() => mount.attach(name)).toThrow(/ENOENT|EINVAL/);
    }
    expect(existsSync(trace)).toBe(false);
  });

  // Defect 17 [S-25]
  test("a line may come in pieces, and a line without an end is taken at close", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("pieces", { size: "8M" });
    await using mount = await mountSheepfs(cluster);
    const fd = openSync(mount.file("vdi", "mount"), "w");
    for (const character of vdi) writeSync(fd, character);
    expect(readdirSync(mount.file("volume"))).toEqual([]);
    closeSync(fd);
    expect(readdirSync(mount.file("volume"))).toEqual([vdi]);
  });
});

describe("objects", () => {
  for (const objectMiB of [1, 4, 8]) {
    // Defect 2 [S-10]
    test(`a volume of ${objectMiB} MiB objects is read and written where its bytes are`, async () => {
      await using cluster = await startCluster();
      const wish = { size: "32M", objectSize: `${objectMiB}M` };
      const vdi = await cluster.createVdi("shift", wish);
      await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
      await using other = await OtherClient.connect(cluster.address);
      const volume = mount.file("volume", vdi);
      const data = pattern(20 * MiB, objectMiB);
      const fd = openSync(volume, "r+");
      let written = 0;
      while (written < data.length) {
        written += writeSync(fd, data, written, Math.min(MiB, data.length - written), written);
      }
      closeSync(fd);
      expect((await other.find(vdi)).objectBytes).toBe(objectMiB * MiB);
      for (const offset of [0, MiB - 512, 4 * MiB + 512, 8 * MiB, 19 * MiB + 4096]) {
        const length = offset === MiB - 512 ? 512 : 4096;
        const found = await other.read(vdi, offset, length);
        expect(found.equals(data.subarray(offset, offset + length))).toBe(true);
      }
      expect(readAt(volume, 3 * MiB, 9 * MiB).equals(data.subarray(3 * MiB, 12 * MiB))).toBe(true);
    });
  }

  // Defect 8 [S-6]
  test("many first writes of one object at once are all there", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("first", { size: "8M" });
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const volume = mount.file("volume", vdi);
    const fio = await run(
      [
        ...["fio", "--name=first", `--filename=${volume}`, "--size=4m", "--bs=4k", "--direct=1"],
        ...["--rw=randwrite", "--ioengine=libaio", "--iodepth=64", "--iodepth_batch=64"],
        ...["--verify=crc32c", "--verify_state_save=0", "--verify_fatal=1"],
      ],
      { cwd: "/" },
    );
    expect(fio).toMatchObject({ exitCode: 0, stderr: "" });
  });
});

describe("snapshots", () => {
  // Defect 3 [S-12]
  test("a VDI that has snapshots is attached as it is now, and can be written", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("snapped", { size: "8M" });
    await using other = await OtherClient.connect(cluster.address);
    {
      await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
      writeAt(mount.file("volume", vdi), 0, pattern(4096, 1));
    }
    await other.snapshot(vdi, "first");
    await other.snapshot(vdi, "second");
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const volume = mount.file("volume", vdi);
    expect(readAt(volume, 0, 4096).equals(pattern(4096, 1))).toBe(true);
    expect(writeAt(volume, 4096, pattern(4096, 2))).toBe(4096);
    expect(await other.slot(vdi, 0)).toBe((await other.find(vdi)).vid);
    expect((await other.read(vdi, 4096, 4096)).equals(pattern(4096, 2))).toBe(true);
  });

  // Defect 4 [S-15]
  test("writes go on when a snapshot is made of an attached volume", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("while", { size: "16M" });
    await using other = await OtherClient.connect(cluster.address);
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const volume = mount.file("volume", vdi);
    writeAt(volume, 0, pattern(MiB, 1));
    const before = await other.find(vdi);
    await other.snapshot(vdi, "now");
    writeAt(volume, 4096, pattern(4096, 2));
    writeAt(volume, 8 * MiB, pattern(4096, 3));
    expect((await other.find(vdi)).vid).not.toBe(before.vid);
    expect(readAt(volume, 4096, 4096).equals(pattern(4096, 2))).toBe(true);
    expect((await other.read(vdi, 4096, 4096)).equals(pattern(4096, 2))).toBe(true);
    expect((await other.read(vdi, 8 * MiB, 4096)).equals(pattern(4096, 3))).toBe(true);
    const rest = readAt(volume, 8192, 100_000);
    expect(rest.equals(pattern(MiB, 1).subarray(8192, 108_192))).toBe(true);
  });
});

describe("the cluster", () => {
  // Defect 6 [S-37]
  test("reads and writes go on after the sheep was restarted", async () => {
    await using cluster = await startSheepProcess();
    const vdi = await cluster.createVdi("again", { size: "8M" });
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const volume = mount.file("volume", vdi);
    writeAt(volume, 0, pattern(4096, 1));
    await cluster.restart("SIGTERM");
    expect(readAt(volume, 0, 4096).equals(pattern(4096, 1))).toBe(true);
    expect(writeAt(volume, 4096, pattern(4096, 2))).toBe(4096);
    expect(readAt(volume, 4096, 4096).equals(pattern(4096, 2))).toBe(true);
  });

  // Defects 11, 12 [S-27]
  test("the gateway's address can be any, and is kept as it was when it is no good", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    const file = mount.file("config", "sheep_info");
    expect(readFileSync(file, "utf8")).toBe(`${cluster.address}\n`);
    expect(statSync(file).size).toBe(cluster.address.length + 1);
    for (const bad of ["nonsense", "1.2.3.4:", "::1", "[::1]:0", `${"a".repeat(400)}:7000`]) {
      expect(() => writeFileSync(file, `${bad}\n`)).toThrow();
      expect(readFileSync(file, "utf8")).toBe(`${cluster.address}\n`);
    }
    expect(readFileSync(mount.file("cluster", "info"), "utf8")).toContain("Cluster status");
  });
});

describe("texts", () => {
  // Defect 16 [S-21]
  test("a text read in pieces is the text, also by two readers at once", async () => {
    await using cluster = await startCluster();
    for (let count = 0; count < 5; count += 1) await cluster.createVdi("listed", { size: "8M" });
    await using mount = await mountSheepfs(cluster);
    const path = mount.file("vdi", "list");
    const whole = readFileSync(path);
    const readers = [openSync(path, "r"), openSync(path, "r")];
    const texts = readers.map(() => Buffer.alloc(0));
    const piece = Buffer.alloc(7);
    for (let at = 0; at < whole.length; at += piece.length) {
      readers.forEach((fd, index) => {
        const got = readSync(fd, piece, 0, piece.length, null);
        const text = texts[index] ?? Buffer.alloc(0);
        texts[index] = Buffer.concat([text, piece.subarray(0, got)]);
      });
    }
    for (const fd of readers) closeSync(fd);
    for (const text of texts) expect(text.toString()).toBe(whole.toString());
  });

  // [S-22]
  test("stat shows the size of every text", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    for (const name of ["cluster/info", "vdi/list", "node/info", "node/list"]) {
      const fd = openSync(mount.file(name), "r");
      const text = readFileSync(fd);
      expect([name, fstatSync(fd).size]).toEqual([name, text.length]);
      closeSync(fd);
    }
    for (const name of ["config/page_cache", "config/object_cache", "config/sheep_info"]) {
      expect([name, statSync(mount.file(name)).size]).toEqual([
        name,
        readFileSync(mount.file(name)).length,
      ]);
    }
  });
});

describe("the size of a volume", () => {
  // Defect 18
  test("a VDI that grew elsewhere has its new size after it is attached again", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("grown", { size: "8M" });
    await using other = await OtherClient.connect(cluster.address);
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    expect(statSync(mount.file("volume", vdi)).size).toBe(8 * MiB);
    await other.resize(vdi, 12 * MiB);
    mount.detach(vdi);
    mount.attach(vdi);
    expect(statSync(mount.file("volume", vdi)).size).toBe(12 * MiB);
    expect(writeAt(mount.file("volume", vdi), 11 * MiB, pattern(4096, 1))).toBe(4096);
  });

  // [S-7]
  test("a write at the end is ENOSPC at once, so that >> ends; one across it is short", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("end", { size: "8M" });
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const volume = mount.file("volume", vdi);
    const append = await run(["sh", "-c", `echo more >> ${volume}`], { deadlineMs: 5_000 });
    expect(append.stderr).toMatch(/No space left|I\/O error/);
    expect(append.exitCode).not.toBe(0);
    expect(writeAt(volume, 8 * MiB - 100, pattern(4096, 1))).toBe(100);
    expect(() => writeAt(volume, 8 * MiB, pattern(1, 1))).toThrow("ENOSPC");
    expect(readAt(volume, 8 * MiB, 4096).length).toBe(0);
    expect(readAt(volume, 8 * MiB - 100, 4096).equals(pattern(100, 1))).toBe(true);
  });
});

describe("what cannot be done does not succeed", () => {
  // Defect 24 [S-34]
  test("mv, rmdir, a smaller size, chmod and touch change nothing and say so", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("kept", { size: "8M" });
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const volume = mount.file("volume", vdi);
    writeAt(volume, 0, pattern(4096, 9));
    expect(() => renameSync(volume, mount.file("volume", "other"))).toThrow("ENOTSUP");
    expect(() => unlinkSync(mount.file("vdi", "list"))).toThrow("EPERM");
    expect(() => rmdirSync(mount.file("volume"))).toThrow(/EPERM|ENOTEMPTY/);
    expect(() => truncateSync(volume, 4096)).toThrow("EINVAL");
    expect(() => chmodSync(volume, 0o600)).toThrow("EPERM");
    expect(() => utimesSync(volume, 1, 1)).toThrow("EPERM");
    expect(() => writeFileSync(mount.file("vdi", "new"), "")).toThrow("EPERM");
    expect(() => openSync(mount.file("vdi", "list"), "w")).toThrow(/EACCES|EPERM|EROFS/);
    const fd = openSync(volume, "r+");
    ftruncateSync(fd, 8 * MiB);
    closeSync(fd);
    expect(statSync(volume).size).toBe(8 * MiB);
    expect(readAt(volume, 0, 4096).equals(pattern(4096, 9))).toBe(true);
  });

  test("df does not show zeros", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    expect(statfsSync(mount.path).blocks).toBeGreaterThan(0);
  });

  // Defect 19 [S-14]
  test("a volume is not detached while somebody has it open", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("used", { size: "8M" });
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const fd = openSync(mount.file("volume", vdi), "r+");
    expect(() => mount.detach(vdi)).toThrow("EBUSY");
    expect(writeSync(fd, pattern(4096, 1), 0, 4096, 0)).toBe(4096);
    closeSync(fd);
    mount.detach(vdi);
    expect(readdirSync(mount.file("volume"))).toEqual([]);
    expect(() => mount.detach(vdi)).toThrow();
    expect(() => mount.attach("no-such-vdi")).toThrow("ENOENT");
  });
});

describe("what it costs", () => {
  // Defects 20, 21
  test("five attached volumes need few sockets", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    for (let count = 0; count < 5; count += 1) {
      const vdi = await cluster.createVdi("many", { size: "8M" });
      mount.attach(vdi);
      readAt(mount.file("volume", vdi), 0, 4096);
    }
    expect(readdirSync(`/proc/${mount.serverPid}/fd`).length).toBeLessThan(64);
  });

  // Defect 24 [S-9]
  test("punched space is given back and reads as zeros", async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("punched", { size: "16M", objectSize: "4M" });
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const volume = mount.file("volume", vdi);
    writeAt(volume, 0, pattern(4 * MiB, 1));
    writeAt(volume, 4 * MiB, pattern(4 * MiB, 1));
    const full = statSync(volume).blocks;
    const punch = ["fallocate", "--punch-hole", "--offset", "0", "--length", String(4 * MiB)];
    expect(await run([...punch, volume])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readAt(volume, 0, MiB).every((byte) => byte === 0)).toBe(true);
    expect(readAt(volume, 4 * MiB, MiB).equals(pattern(MiB, 1))).toBe(true);
    expect(statSync(volume).blocks).toBeLessThan(full);
    expect((await run(["fallocate", "--length", "1M", volume])).exitCode).not.toBe(0);
  });
});
