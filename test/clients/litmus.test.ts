import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { run, TemporaryFolder } from "../support/process.ts";
import { startServe, type TestServer } from "../support/serve.ts";

let cluster: TestCluster;
let server: TestServer;

beforeAll(async () => {
  cluster = await startCluster();
  server = await startServe(cluster, { args: ["--scratch"] });
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** How many checks each suite of litmus 0.13 has: one that ends early has failed. */
const checks = { basic: 16, copymove: 13, props: 30, locks: 41, http: 4 };

// [S-64]
describe("litmus finds nothing wrong with", () => {
  for (const [suite, count] of Object.entries(checks)) {
    test(`${suite}: ${count} checks`, async () => {
      using folder = new TemporaryFolder();
      const { stdout, stderr, exitCode } = await run(["litmus", `${server.url}/scratch/`], {
        cwd: folder.path,
        env: { TESTS: suite },
      });
      const said = `${stdout}${stderr}`;
      expect(said).toContain(`of ${count} tests run: ${count} passed, 0 failed. 100.0%`);
      expect(said).not.toMatch(/WARNING|FAIL|SKIPPED/);
      expect(exitCode).toBe(0);
    });
  }
});
