import { expect, test } from "bun:test";
import type { Command, Values } from "../../../src/cli/command.ts";
import { validateLine } from "../../../src/cli/options.ts";
import { resolveLine } from "../../../src/cli/resolve.ts";
import { runCommandLine } from "../../../src/cli/run-command.ts";

/** A command with an option of each kind, that keeps what it was given. */
function recorder(): { command: Command; seen: () => Values } {
  let seen: Values | null = null;
  const command: Command = {
    meta: { name: "sheepfs try", description: "" },
    args: {
      place: { type: "positional", required: true },
      flag: { type: "boolean", alias: "f" },
      "long-flag": { type: "boolean" },
      text: { type: "string", alias: "t" },
      many: { type: "string", alias: "m" },
      preset: { type: "string", default: "as usual" },
    },
    repeatable: ["many"],
    examples: "",
    run: async (values) => {
      seen = values;
    },
  };
  return {
    command,
    seen: () => {
      if (seen === null) throw new Error("the command did not run");
      return seen;
    },
  };
}

async function parsed(...argv: string[]): Promise<Values> {
  const { command, seen } = recorder();
  await runCommandLine(command, validateLine(command, argv).rawArgs);
  return seen();
}

test("options may stand on either side of the argument, in every spelling", async () => {
  const lines = [
    ["-f", "-t", "word", "/m"],
    ["/m", "-ft", "word"],
    ["/m", "--text=word", "--flag"],
    ["--text", "word", "/m", "-f"],
    ["-ftword", "/m"],
    ["-f", "--text=word", "--", "/m"],
  ];
  for (const line of lines) {
    const values = await parsed(...line);
    expect([line, values.required("place")]).toEqual([line, "/m"]);
    expect([line, values.text("text")]).toEqual([line, "word"]);
    expect([line, values.flag("flag")]).toEqual([line, true]);
    expect([line, values.flag("long-flag")]).toEqual([line, false]);
    expect([line, values.text("preset")]).toEqual([line, "as usual"]);
  }
});

test("a repeatable option keeps every value in order, whatever is in them", async () => {
  const values = await parsed("/m", "-m", "a,b", "--many=-x", "-m", "c=d", "--many", "ü ß");
  expect(values.list("many")).toEqual(["a,b", "-x", "c=d", "ü ß"]);
  expect((await parsed("/m")).list("many")).toEqual([]);
});

test("what comes after -- is an argument, whatever it looks like", async () => {
  expect((await parsed("--", "--flag")).required("place")).toBe("--flag");
  expect((await parsed("-f", "--", "-")).required("place")).toBe("-");
});

test("a value that looks like a number or a word of the language stays text", async () => {
  for (const word of ["007", "true", "null", "1e3"]) {
    expect((await parsed("/m", "--text", word)).text("text")).toBe(word);
    expect((await parsed(word)).required("place")).toBe(word);
  }
});

const everyLevel: readonly (readonly [string, string])[] = [
  ["--version", "version"],
  ["--help", "overview"],
  ["-h", "overview"],
  ["vdi --help", "group-help"],
  ["vdi -h", "group-help"],
  ["vdi create --help", "help"],
  ["vdi create -h", "help"],
  ["mount --help", "help"],
  ["mount /m --help", "help"],
  ["mount -fh", "help"],
  ["umount -h", "help"],
  ["sheep --help", "help"],
  ["-a node --help", "help"],
  ["mount /m", "run"],
  ["mount /m -f -s a:1 -s b:2 -o ro -o noatime --attach a --attach b", "run"],
  ["/m", "run"],
  ["here", "run"],
  ["-a node1 -p 7000 -k -o -d -f /m", "run"],
  ["-kf -anode1 -p7000 /m", "run"],
  ["--address ::1 --port 7000 --pagecache --objectcache --debug --foreground here", "run"],
  ["umount /m", "run"],
  ["sheep --dir /d --listen 127.0.0.1:0 --copies 2", "run"],
  ["vdi list --json", "run"],
  ["vdi create a --size 10G --object-size 8M --copies 3", "run"],
  ["vdi create a --size 5P --hypervolume --copies 4:2", "run"],
  ["vdi delete a -y -s node1:7000", "run"],
];

for (const [line, does] of everyLevel) {
  test(`'sheepfs ${line}' is understood`, async () => {
    const request = await resolveLine(line.split(" "), (path) => path === "here");
    expect(request.do as string).toBe(does);
  });
}

test("a folder named like a command can still be mounted on, by its path", async () => {
  const request = await resolveLine(["./mount"], () => true);
  expect(request).toMatchObject({ do: "run", command: { meta: { name: "sheepfs" } } });
});
