// A database that is written all the time: `database-child.ts write FILE LOG` notes the number of each
// transaction in LOG once it was acknowledged, until SIGTERM; `database-child.ts check FILE LOG`
// says whether all of them are there.
import { Database } from "bun:sqlite";
import { readFileSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";

const [what, file = "", log = ""] = process.argv.slice(2);
const idleMs = 2;

function contentOf(id: number): string {
  return new Bun.CryptoHasher("sha256")
    .update(String(id))
    .digest("hex")
    .repeat(1 + (id % 40));
}

async function write(): Promise<void> {
  let over = false;
  process.on("SIGTERM", () => {
    over = true;
  });
  const database = new Database(file, { create: true });
  database.run("PRAGMA journal_mode = WAL");
  database.run("PRAGMA synchronous = FULL");
  database.run("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, content TEXT)");
  const insert = database.query("INSERT INTO entry VALUES (?, ?)");
  await using acknowledged = await open(log, "a");
  console.log("ready");
  for (let id = 1; !over; id += 1) {
    insert.run(id, contentOf(id));
    writeSync(acknowledged.fd, `${id}\n`);
    await Bun.sleep(idleMs);
  }
  database.close();
}

function check(): void {
  const database = new Database(file);
  const integrity = database.query("PRAGMA integrity_check").all();
  if (JSON.stringify(integrity) !== '[{"integrity_check":"ok"}]') {
    throw new Error(`integrity_check: ${JSON.stringify(integrity)}`);
  }
  const rows = database.query<{ id: number; content: string }, []>("SELECT * FROM entry").all();
  const contents = new Map(rows.map(({ id, content }) => [id, content]));
  const acknowledged = readFileSync(log, "utf8").trimEnd().split("\n").map(Number);
  const lost = acknowledged.filter((id) => contents.get(id) !== contentOf(id));
  database.close();
  console.log(JSON.stringify({ transactions: acknowledged.length, lost: lost.length }));
}

if (what === "write") await write();
else check();
