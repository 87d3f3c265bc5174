// A sheep in a process of its own, to be killed: `sheep-program.ts DIR`. Prints its port, or why not.
import { silentLogger } from "../../../src/base/log.ts";
import { startSheep } from "../../../src/sheep/server.ts";

const [dir = ""] = process.argv.slice(2);
try {
  const listen = { host: "127.0.0.1", port: 0 };
  const { address } = await startSheep({ dir, listen, copies: 1, log: silentLogger });
  console.log(`port ${address.port}`);
} catch (error) {
  console.log(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
