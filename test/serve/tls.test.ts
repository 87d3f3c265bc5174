import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { startCluster } from "../support/cluster.ts";
import { must, TemporaryFolder } from "../support/process.ts";
import { makeCertificate, replaceCertificate } from "./certificate.ts";
import { Serving } from "./serving.ts";

/** The name in the certificate that is shown to a new connection. */
async function shownName(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on("secureConnect", resolve);
      socket.on("error", reject);
    });
    const subject = new X509Certificate(socket.getPeerCertificate(true).raw).subject;
    return /CN=(.*)/.exec(subject)?.[1] ?? "";
  } finally {
    socket.destroy();
  }
}

test("https serves with the certificate that was given, and with a new one after SIGHUP", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  const used = { cert: at("used.crt"), key: at("used.key") };
  const next = { cert: at("next.crt"), key: at("next.key") };
  await makeCertificate(used.cert, used.key, "first.example");
  await makeCertificate(next.cert, next.key, "second.example");
  const files = ["--tls-cert", used.cert, "--tls-key", used.key];
  const line = ["--webdav", "127.0.0.1:0", ...files, "-s", cluster.address];
  await using server = await Serving.start(line);
  expect(server.url).toStartWith("https://127.0.0.1:");
  expect(await shownName(server.url)).toBe("first.example");
  const info = `${server.url}cluster/info`;
  const firstCert = await Bun.file(used.cert).text();
  const cacert = at("first.crt");
  writeFileSync(cacert, firstCert);
  expect(await must(["curl", "-s", "--cacert", cacert, info])).toContain("Cluster status: running");

  // A bad pair changes nothing.
  writeFileSync(used.cert, await Bun.file(next.cert).text());
  server.child.kill("SIGHUP");
  await server.logged("the certificate stays as it was: the key");
  expect(await shownName(server.url)).toBe("first.example");

  await replaceCertificate(next, used);
  server.child.kill("SIGHUP");
  await server.logged("was read again");
  expect(await shownName(server.url)).toBe("second.example");
  expect(await must(["curl", "-s", "--cacert", next.cert, info])).toContain("Cluster status");
  expect(await server.stop()).toBe(0);
});

test("a download that goes on over a change of the certificate is not disturbed", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const [cert, key] = [join(folder.path, "crt"), join(folder.path, "key")];
  await makeCertificate(cert, key);
  const name = await cluster.createVdi("tls", { size: "32M" });
  const files = ["--tls-cert", cert, "--tls-key", key, "--attach", name];
  const line = ["--webdav", "127.0.0.1:0", ...files, "-s", cluster.address];
  await using server = await Serving.start(line);
  const answer = await fetch(`${server.url}volume/${name}`, { tls: { rejectUnauthorized: false } });
  const reader = answer.body?.getReader();
  let bytes = (await reader?.read())?.value?.length ?? 0;
  server.child.kill("SIGHUP");
  await server.logged("was read again");
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    bytes += part.value.length;
  }
  expect(bytes).toBe(32 * 1024 * 1024);
});
