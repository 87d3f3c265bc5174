import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MiB, pattern, readAt } from "../mount/bytes.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { must, type Outcome, run, TemporaryFolder } from "../support/process.ts";
import { startServe, type TestServer } from "../support/serve.ts";

const volumeBytes = 8 * MiB;

/** `curl` with what shows an answer and nothing of its own. */
function curl(
  args: readonly string[],
  stdin: string | Uint8Array<ArrayBuffer> = "",
): Promise<Outcome> {
  return run(["curl", "-q", "-sS", "--max-time", "30", ...args], { stdin });
}

let cluster: TestCluster;
let server: TestServer;
let folder: TemporaryFolder;

beforeAll(async () => {
  cluster = await startCluster();
  server = await startServe(cluster, { mount: true });
  folder = new TemporaryFolder();
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  folder?.[Symbol.dispose]();
});

/** A volume with a pattern in it, its address and its path in the mount of the same server. */
async function newVolume(
  seed: number,
): Promise<{ url: string; path: string; content: Buffer; name: string }> {
  const name = await cluster.createVdi("curl", { size: "8M" });
  await server.attach(name);
  const url = server.at("volume", name);
  const content = pattern(volumeBytes, seed);
  const put = await fetch(url, { method: "PUT", body: Uint8Array.from(content) });
  expect(put.status).toBe(204);
  return { url, path: server.file("volume", name), content, name };
}

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder.path, name);
  writeFileSync(path, bytes);
  return path;
}

/** What the kernel reads from the mount of the same server. */
function throughMount(path: string): Buffer {
  return readAt(path, 0, volumeBytes);
}

describe("curl reads", () => {
  test("a volume whole, and the part that -r names", async () => {
    const { url, content } = await newVolume(1);
    const target = join(folder.path, "whole");
    await must(["curl", "-q", "-sSf", "-o", target, url]);
    expect(readFileSync(target).equals(content)).toBe(true);
    for (const [range, from, to] of [
      ["0-0", 0, 1],
      ["1000-300000", 1_000, 300_001],
      ["8388600-9999999", 8_388_600, volumeBytes],
      ["-10", volumeBytes - 10, volumeBytes],
      ["4194300-", 4_194_300, volumeBytes],
    ] as const) {
      await must(["curl", "-q", "-sSf", "-r", range, "-o", target, url]);
      expect([range, readFileSync(target).equals(content.subarray(from, to))]).toEqual([
        range,
        true,
      ]);
    }
    const { stdout } = await curl(["-r", "8388608-", "-o", target, "-w", "%{http_code}", url]);
    expect(stdout).toBe("416");
  });

  test("several ranges as multipart/byteranges", async () => {
    const { url, content } = await newVolume(2);
    const head = join(folder.path, "multi-head");
    const body = join(folder.path, "multi");
    await must(["curl", "-q", "-sSf", "-D", head, "-r", "10-19,8000000-8000099", "-o", body, url]);
    const boundary = /content-type: multipart\/byteranges; boundary="?([^\s"]+)/i.exec(
      readFileSync(head, "latin1"),
    )?.[1];
    expect(boundary).toBeDefined();
    const parts = readFileSync(body).toString("latin1").split(`--${boundary}`);
    expect(parts.length).toBe(4);
    for (const [at, from, length] of [
      [1, 10, 10],
      [2, 8_000_000, 100],
    ] as const) {
      const [fields = "", bytes = ""] = (parts[at] ?? "").split("\r\n\r\n");
      expect(fields.toLowerCase()).toContain(
        `content-range: bytes ${from}-${from + length - 1}/${volumeBytes}`,
      );
      expect(bytes.slice(0, length)).toBe(content.toString("latin1", from, from + length));
    }
  });

  test("on from where a download broke off, -C -", async () => {
    const { url, content } = await newVolume(3);
    const target = fileOf("resumed", content.subarray(0, 3_000_001));
    await must(["curl", "-q", "-sSf", "-C", "-", "-o", target, url]);
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  test("in HTTP/1.0, and the connection ends", async () => {
    const { url, content } = await newVolume(4);
    const target = join(folder.path, "old");
    await must(["curl", "-q", "-sSf", "--http1.0", "-o", target, url]);
    expect(readFileSync(target).equals(content)).toBe(true);
    const { stdout } = await curl(["--http1.0", server.at("cluster", "info")]);
    expect(stdout).toContain("Cluster status: running");
  });

  test("only when it has changed, -z and If-None-Match", async () => {
    const { url } = await newVolume(5);
    const { stdout: head } = await curl(["-I", url]);
    expect(head).toMatch(/^accept-ranges: bytes\r$/im);
    expect(head).toMatch(new RegExp(`^content-length: ${volumeBytes}\r$`, "im"));
    const etag = /^etag: (.*)\r$/im.exec(head)?.[1] ?? "";
    const status = ["-o", "/dev/null", "-w", "%{http_code}"];
    expect((await curl([...status, "-H", `If-None-Match: ${etag}`, url])).stdout).toBe("304");
    expect((await curl([...status, "-H", 'If-None-Match: "other"', url])).stdout).toBe("200");
  });
});

describe("curl writes", () => {
  test("a whole volume with -T, waiting for 100 Continue", async () => {
    const { url, path } = await newVolume(6);
    const content = pattern(volumeBytes, 60);
    const file = fileOf("upload", content);
    const { stderr, exitCode } = await curl([
      "-v",
      "-f",
      "-H",
      "Expect: 100-continue",
      "-T",
      file,
      url,
    ]);
    expect(stderr).toContain("< HTTP/1.1 100");
    expect(stderr).toContain("< HTTP/1.1 204");
    expect(exitCode).toBe(0);
    expect(throughMount(path).equals(content)).toBe(true);
  });

  test("on from where an upload broke off, -C OFFSET -T", async () => {
    const { url, path, content } = await newVolume(7);
    const newer = pattern(volumeBytes, 70);
    const file = fileOf("resume", newer);
    await must(["curl", "-q", "-sSf", "-C", "5000001", "-T", file, url]);
    const expected = Buffer.concat([content.subarray(0, 5_000_001), newer.subarray(5_000_001)]);
    expect(throughMount(path).equals(expected)).toBe(true);
  });

  test("one range and nothing else, with Content-Range and with PATCH", async () => {
    const { url, path, content } = await newVolume(8);
    const expected = Buffer.from(content);
    const piece = pattern(70_000, 80);
    const file = fileOf("piece", piece);
    const range = "Content-Range: bytes 4160000-4229999/*";
    await must(["curl", "-q", "-sSf", "-H", range, "-T", file, url]);
    piece.copy(expected, 4_160_000);
    expect(throughMount(path).equals(expected)).toBe(true);
    await must([
      ...["curl", "-q", "-sSf", "-X", "PATCH", "--data-binary", `@${file}`],
      ...["-H", "X-Update-Range: bytes=100-70099"],
      ...["-H", "Content-Type: application/x-sabredav-partialupdate", url],
    ]);
    piece.copy(expected, 100);
    expect(throughMount(path).equals(expected)).toBe(true);
  });

  test("a stream of unknown length, chunked, from the beginning on", async () => {
    const { url, path, content } = await newVolume(9);
    const piece = pattern(3_000_000, 90);
    const { exitCode, stderr } = await curl(["-f", "-T", "-", url], Uint8Array.from(piece));
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    const expected = Buffer.concat([piece, content.subarray(piece.length)]);
    expect(throughMount(path).equals(expected)).toBe(true);
  });

  test("nothing of what is announced to be longer than the volume", async () => {
    const { url, path, content } = await newVolume(10);
    const file = fileOf("long", pattern(volumeBytes + 1, 100));
    const { stdout } = await curl(["-o", "/dev/null", "-w", "%{http_code}", "-T", file, url]);
    expect(stdout).toBe("507");
    expect(throughMount(path).equals(content)).toBe(true);
  });

  test("a line into a control file, and is told what is wrong", async () => {
    const name = await cluster.createVdi("line", { size: "8M" });
    const mount = server.at("vdi", "mount");
    await must(["curl", "-q", "-sSf", "-T", fileOf("line", Buffer.from(`${name}\n`)), mount]);
    expect((await curl([`${server.at("volume")}/`])).stdout).toContain(name);
    const bad = fileOf("bad", Buffer.from("no-such-vdi\n"));
    const { stdout } = await curl(["-w", " %{http_code}", "-T", bad, mount]);
    expect(stdout).toContain("there is no VDI 'no-such-vdi'");
    expect(stdout).toMatch(/ 4[0-9][0-9]$/);
  });
});
