import { expect, test } from "bun:test";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { startCluster } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import { run } from "../support/process.ts";
import { bootExitCode, bootSector, bootText, bootXor } from "./boot-sector.ts";

const sectorBytes = 512;

test("a machine boots from a volume, reads and writes far sectors, and they are there", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("boot", { size: "12G" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const volume = mount.file("volume", vdi);
  // Behind 4 GiB and behind 8 GiB, where 32 bits of bytes and 24 bits of sectors are not enough.
  const readSectors = [9_000_001, 18_000_003];
  const writeSectors = [25_000_000, 12_345];
  const words = readSectors.map((sector) => `sector ${sector} of ${vdi}\r\n`);
  const fd = openSync(volume, "r+");
  writeSync(fd, bootSector({ readSectors, writeSectors }), 0, sectorBytes, 0);
  readSectors.forEach((sector, index) => {
    const bytes = Buffer.from(`${words[index]}\0`);
    writeSync(fd, bytes, 0, bytes.length, sector * sectorBytes);
  });
  const { exitCode, stdout } = await run(
    [
      ...["qemu-system-x86_64", "-accel", "tcg", "-m", "32", "-nodefaults", "-display", "none"],
      ...["-serial", "stdio", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
      ...["-drive", `file=${volume},format=raw,if=virtio,cache=none,aio=native`],
    ],
    { deadlineMs: 50_000 },
  );
  expect(stdout).toBe(`${bootText.hello}${words.join("")}${bootText.done}`);
  expect(exitCode).toBe(bootExitCode);
  const expected = new Uint8Array(sectorBytes);
  expected.set(new TextEncoder().encode(words.at(-1)));
  const turned = expected.map((byte) => byte ^ bootXor);
  const sector = new Uint8Array(sectorBytes);
  for (const number of writeSectors) {
    readSync(fd, sector, 0, sectorBytes, number * sectorBytes);
    expect(Buffer.compare(sector, turned)).toBe(0);
  }
  closeSync(fd);
}, 60_000);
