import { describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startCluster } from "../support/cluster.ts";
import { must, run, sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { basic, Serving } from "./serving.ts";

// [S-51]
const loopback = ["--webdav", "127.0.0.1:0"];

/**
 * A network of its own, with an address that is not loopback: what listens on every address there
 * can be reached by nobody else on this machine.
 */
async function startNetwork() {
  const outside = "198.51.100.1";
  const script = `ip link set lo up && ip addr add ${outside}/32 dev lo && echo up && exec sleep 300`;
  const child = start(["unshare", "--net", "sh", "-c", script]);
  await child.until(({ stdout }) => (stdout.includes("up") ? true : null), "network");
  return { child, outside, wrap: ["nsenter", `--net=/proc/${child.pid}/ns/net`] };
}

const noNetwork = process.getuid?.() === 0 ? null : "needs root for a network of its own";

/** Whatever the login, the file is made where this points. */
function madeFile(folder: TemporaryFolder): { env: Record<string, string>; file: string } {
  const env = { XDG_CONFIG_HOME: folder.path };
  return { env, file: join(folder.path, "sheepfs", "webdav-password") };
}

test.skipIf(noNetwork !== null)(
  "`sheepfs serve --webdav :8080`, as written, works for remote hosts and lets no stranger in",
  async () => {
    using folder = new TemporaryFolder();
    const { env, file } = madeFile(folder);
    const network = await startNetwork();
    await using _child = network.child;
    const { wrap, outside } = network;
    const sheepDir = join(folder.path, "sheep");
    const sheepLine = ["sheep", "--dir", sheepDir, "--listen", "127.0.0.1:7000"];
    await using sheep = start([...wrap, await sheepfsBinary(), ...sheepLine]);
    await sheep.until(({ stdout }) => (stdout.includes("\n") ? true : null), "address");
    const url = `http://${outside}:8080/cluster/info`;
    const curl = async (...args: string[]) => {
      const line = ["curl", "-s", "-m", "10", "-w", " %{http_code}", ...args, url];
      return (await run([...wrap, ...line])).stdout;
    };
    let made = "";
    for (const time of ["first", "second"]) {
      await using server = await Serving.start(["--webdav", ":8080"], { wrap, env });
      const { stdout, stderr } = server.child;
      const password = readFileSync(file, "utf8").trim();
      expect(statSync(file).mode & 0o777).toBe(0o600);
      if (time === "first") made = password;
      expect(password).toBe(made);
      expect(password).toMatch(/^[a-z2-9]{5}(-[a-z2-9]{5}){4}$/);
      // How to use it is said; the password itself would stay in a journal.
      expect(stdout).toContain(`log in as 'sheepfs' with the password in ${file}`);
      expect(stdout).toContain(`curl -u "sheepfs:$(cat ${file})" ${server.url}cluster/info`);
      expect(stdout).toContain("warning: passwords and data cross the network in the clear");
      expect(stdout + stderr).not.toContain(password);
      expect(await curl()).toEndWith(" 401");
      expect(await curl("-u", "sheepfs:guess")).toEndWith(" 401");
      expect(await curl("-u", `sheepfs:${password}`)).toContain("Cluster status: running");
      // Also over IPv6, and under any name: a login protects by itself.
      const v6 = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: any.example"];
      expect((await run([...wrap, ...v6, "http://[::1]:8080/"])).stdout).toBe("401");
      expect(await server.stop()).toBe(0);
    }
    await using open = await Serving.start(["--webdav", ":8080", "--anonymous"], { wrap, env });
    expect(open.child.stdout).toContain("no login is asked for");
    expect(open.child.stdout).toContain("warning: whoever can connect may read and write");
    expect(await curl()).toContain("Cluster status: running");
    expect(await curl("-H", "Host: rebound.example")).toEndWith(" 421");
  },
  60_000,
);

test.skipIf(noNetwork !== null)(
  "a password file that others can read or that is not ours to trust is refused",
  async () => {
    using folder = new TemporaryFolder();
    const { env, file } = madeFile(folder);
    await using network = (await startNetwork()).child;
    const wrap = ["nsenter", `--net=/proc/${network.pid}/ns/net`];
    const line = [...wrap, await sheepfsBinary(), "serve", "-f", "--webdav", ":8080"];
    await must(["mkdir", "-p", join(folder.path, "sheepfs")]);
    writeFileSync(file, "secret\n");
    chmodSync(file, 0o640);
    const outcome = await run(line, { env });
    expect(outcome.stderr).toContain(`'${file}' is open to other users; chmod 600 it`);
    expect(outcome.stderr).not.toContain("secret");
    expect(outcome.exitCode).toBe(1);
    await must(["rm", file]);
    writeFileSync(join(folder.path, "mine"), "secret\n", { mode: 0o600 });
    symlinkSync(join(folder.path, "mine"), file);
    expect((await run(line, { env })).exitCode).toBe(1);
    // Nowhere to keep it: said before anything is served.
    const nowhere = await run(line, { env: { XDG_CONFIG_HOME: "/proc/nowhere" } });
    expect(nowhere.stderr).toContain("a password cannot be kept in '/proc/nowhere/sheepfs");
    expect(nowhere.stderr).toContain("--htpasswd");
    expect(nowhere.exitCode).toBe(1);
  },
);

describe("on loopback", () => {
  test("nobody is asked who he is, and no password is made", async () => {
    await using cluster = await startCluster();
    using folder = new TemporaryFolder();
    const { env, file } = madeFile(folder);
    await using server = await Serving.start([...loopback, "-s", cluster.address], { env });
    expect(server.child.stdout).toContain("no login is asked for: only this machine can connect");
    expect((await fetch(`${server.url}cluster/info`)).status).toBe(200);
    expect(await Bun.file(file).exists()).toBe(false);
  });

  test("--user and --password-file ask for it; SIGHUP reads it again", async () => {
    await using cluster = await startCluster();
    using folder = new TemporaryFolder();
    const file = join(folder.path, "password");
    writeFileSync(file, "pass:wörd\nnot this\n", { mode: 0o644 });
    const login = ["--user", "anna", "--password-file", file];
    await using server = await Serving.start([...loopback, ...login, "-s", cluster.address]);
    expect(server.child.stdout).toContain("can be read by every user of this machine");
    const status = async (user: string, password: string): Promise<number> =>
      (await fetch(server.url, { headers: basic(user, password) })).status;
    const refused = await fetch(server.url);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toBe('Basic realm="sheepfs", charset="UTF-8"');
    expect(await status("anna", "pass:wörd")).toBe(200);
    expect(await status("bert", "pass:wörd")).toBe(401);
    writeFileSync(file, "another\n");
    server.child.kill("SIGHUP");
    await server.logged("who may log in was read again");
    expect(await status("anna", "another")).toBe(200);
    expect(await status("anna", "pass:wörd")).toBe(401);
    writeFileSync(file, "\n");
    server.child.kill("SIGHUP");
    await server.logged("who may log in stays as it was");
    expect(await status("anna", "another")).toBe(200);
    expect(server.child.stderr).not.toContain("wörd");
  });

  test("--htpasswd asks for one of its users, whatever the hash", async () => {
    await using cluster = await startCluster();
    using folder = new TemporaryFolder();
    const file = join(folder.path, "users");
    const bcrypt = await Bun.password.hash("eins", { algorithm: "bcrypt", cost: 6 });
    const apr1 = (await must(["openssl", "passwd", "-apr1", "zwei"])).trim();
    const sha = `{SHA}${new Bun.CryptoHasher("sha1").update("drei").digest("base64")}`;
    writeFileSync(file, `a:${bcrypt.replace("$2b$", "$2y$")}\nb:${apr1}\nc:${sha}\n`);
    const login = ["--htpasswd", file, "-s", cluster.address];
    await using server = await Serving.start([...loopback, ...login]);
    expect(server.child.stdout).toContain(`log in as one of the 3 users in ${file}`);
    const rows = [
      ["a", "eins", 200],
      ["b", "zwei", 200],
      ["c", "drei", 200],
      ["a", "zwei", 401],
    ] as const;
    for (const [user, password, status] of rows) {
      const answer = await fetch(server.url, { headers: basic(user, password) });
      expect([user, answer.status]).toEqual([user, status]);
    }
  });

  test("a hash is made once, so that a slow one slows no request", async () => {
    await using cluster = await startCluster();
    using folder = new TemporaryFolder();
    const file = join(folder.path, "users");
    const hash = await Bun.password.hash("secret", { algorithm: "bcrypt", cost: 11 });
    writeFileSync(file, `anna:${hash}\n`);
    const login = ["--htpasswd", file, "-s", cluster.address];
    await using server = await Serving.start([...loopback, ...login]);
    const timed = async (): Promise<number> => {
      const startedMs = performance.now();
      const answer = await fetch(`${server.url}config/page_cache`, {
        headers: basic("anna", "secret"),
      });
      expect(await answer.text()).toBe("0\n");
      return performance.now() - startedMs;
    };
    // A client that begins with many connections is one login.
    const beganMs = performance.now();
    await Promise.all(Array.from({ length: 40 }, timed));
    const firstMs = performance.now() - beganMs;
    const startedMs = performance.now();
    for (let time = 0; time < 50; time += 1) await timed();
    expect((performance.now() - startedMs) / 50).toBeLessThan(firstMs / 3);
  });

  test("guessing is slowed, and neither those who are logged in nor the tree", async () => {
    await using cluster = await startCluster();
    using folder = new TemporaryFolder();
    const file = join(folder.path, "password");
    writeFileSync(file, "secret\n", { mode: 0o600 });
    const login = ["--user", "anna", "--password-file", file, "-s", cluster.address];
    await using server = await Serving.start([...loopback, ...login]);
    const status = async (password: string): Promise<number> =>
      (await fetch(server.url, { headers: basic("anna", password) })).status;
    expect(await status("secret")).toBe(200);
    const startedMs = performance.now();
    const guesses = Array.from({ length: 4 }, async (_, at) => {
      const answer = await status(`guess ${at}`);
      return { answer, atMs: performance.now() - startedMs };
    });
    await guesses[0];
    const late = await status("guess");
    const lateMs = performance.now() - startedMs;
    expect(late).toBe(401);
    expect(lateMs).toBeGreaterThan(250);
    const goodMs = performance.now();
    expect(await status("secret")).toBe(200);
    expect(performance.now() - goodMs).toBeLessThan(1_000);
    await Promise.all(guesses);
    expect(server.child.stderr).toContain("failed login as 'anna' from 127.0.0.1");
    expect(server.child.stderr).not.toContain("guess");
  });
});
