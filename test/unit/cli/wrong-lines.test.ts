import { describe, expect, test } from "bun:test";
import { resolveLine } from "../../../src/cli/resolve.ts";
import { UsageError } from "../../../src/cli/usage-error.ts";

const folders = new Set(["here"]);

/** What a command line that must be refused is answered with. */
async function complaint(argv: readonly string[]): Promise<string> {
  try {
    await resolveLine(argv, (path) => folders.has(path));
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error(`'${argv.join(" ")}' was accepted`);
}

interface Row {
  readonly line: string;
  readonly says: readonly string[];
}

const tables: Readonly<Record<string, readonly Row[]>> = {
  "an unknown flag is named, with the one that was meant": [
    { line: "mount --frobnicate /m", says: ["--frobnicate", "sheepfs mount --help"] },
    { line: "mount --read-onl /m", says: ["--read-onl", "did you mean '--read-only'?"] },
    { line: "mount --raed-only /m", says: ["--raed-only", "did you mean '--read-only'?"] },
    { line: "mount -foreground /m", says: ["-foreground", "did you mean '--foreground'?"] },
    { line: "mount -x /m", says: ["'-x'"] },
    { line: "mount -fx /m", says: ["'-x' in '-fx'"] },
    { line: "mount /m --listen", says: ["--listen"] },
    { line: "mount --no-foreground /m", says: ["--no-foreground", "leave '--foreground' out"] },
    { line: "umount -f /m", says: ["'-f'"] },
    { line: "vdi list --jsn", says: ["--jsn", "did you mean '--json'?"] },
    { line: "vdi create a --size 1G --force", says: ["--force"] },
    { line: "sheep --directory /d", says: ["--directory", "sheepfs sheep --help"] },
    { line: "-q /m", says: ["'-q'"] },
    { line: "--sheep n:7000 /m", says: ["--sheep"] },
    { line: "here -n", says: ["'-n'"] },
    { line: "mount --__proto__ /m", says: ["--__proto__"] },
    { line: "mount --constructor /m", says: ["--constructor"] },
  ],
  "a flag before its command is named, with the order to write": [
    {
      line: "-s n:7000 mount /m",
      says: ["'-s'", "before the command 'mount'", "sheepfs mount -s n:7000 /m"],
    },
    { line: "--read-only mount /m", says: ["--read-only", "sheepfs mount --read-only /m"] },
    { line: "-f mount /m", says: ["'-f'", "sheepfs mount -f /m"] },
    { line: "-f mount", says: ["'-f'", "sheepfs mount -f"] },
    { line: "--json vdi list", says: ["--json", "sheepfs vdi --json list"] },
    { line: "vdi --json list", says: ["--json", "sheepfs vdi list --json"] },
    { line: "vdi --size 1G create a", says: ["--size", "sheepfs vdi create --size 1G a"] },
    { line: "vdi --json", says: ["--json", "list|show|tree"] },
  ],
  "a flag given twice is named": [
    { line: "mount -f -f /m", says: ["'-f'", "twice"] },
    { line: "mount -f --foreground /m", says: ["--foreground", "twice"] },
    { line: "mount --log-file a --log-file b /m", says: ["--log-file", "twice"] },
    { line: "vdi create a --size 1G --size 2G", says: ["--size", "twice"] },
    { line: "-a x -a y /m", says: ["'-a'", "twice"] },
  ],
  "a missing value is named, with its form": [
    { line: "mount /m -s", says: ["'-s'", "HOST:PORT"] },
    { line: "mount /m --sheep", says: ["--sheep", "HOST:PORT"] },
    { line: "mount /m --sheep=", says: ["--sheep", "needs a value"] },
    { line: "mount --sheep --read-only /m", says: ["--sheep", "needs a value"] },
    { line: "mount /m --attach", says: ["--attach", "NAME"] },
    { line: "sheep --dir", says: ["--dir", "DIR"] },
    { line: "here -p", says: ["'-p'", "PORT"] },
  ],
  "a value that a flag does not take is named": [
    { line: "mount --foreground=yes /m", says: ["--foreground", "takes no value"] },
    { line: "mount -s=n:7000 /m", says: ["-s=n:7000", "'-s n:7000'"] },
    { line: "vdi list --json=true", says: ["--json", "takes no value"] },
  ],
  "a missing argument is named": [
    { line: "", says: ["no command", "sheepfs --help"] },
    { line: "mount", says: ["sheepfs mount", "MOUNTPOINT"] },
    { line: "mount -f", says: ["MOUNTPOINT"] },
    { line: "umount", says: ["MOUNTPOINT"] },
    { line: "-f", says: ["MOUNTPOINT"] },
    { line: "-a /m", says: ["MOUNTPOINT"] },
    { line: "sheep", says: ["--dir DIR"] },
    { line: "vdi", says: ["list, show, tree"] },
    { line: "vdi create --size 1G", says: ["NAME"] },
    { line: "vdi create a", says: ["--size SIZE"] },
    { line: "vdi delete", says: ["NAME"] },
  ],
  "an argument too many is named": [
    { line: "mount /m /n", says: ["'/n'", "only MOUNTPOINT"] },
    { line: "umount /m /n", says: ["'/n'"] },
    { line: "/m /n", says: ["'/n'"] },
    { line: "vdi list a", says: ["'a'", "no arguments"] },
    { line: "vdi delete a b", says: ["'b'", "only NAME"] },
    { line: "sheep --dir d e", says: ["'e'"] },
    { line: "--version --json", says: ["'--json'", "'--version' alone"] },
    { line: "--help mount", says: ["'mount'", "'--help' alone"] },
    { line: "vdi --help list", says: ["'list'"] },
  ],
  "an unknown command is named, with the one that was meant": [
    { line: "moutn /m", says: ["'moutn'", "did you mean 'sheepfs mount'?"] },
    { line: "unmount /m", says: ["'unmount'", "did you mean 'sheepfs umount'?"] },
    {
      line: "frobnicate",
      says: ["'frobnicate'", "mount, umount, upgrade, serve, sheep, vdi", "; see 'sheepfs"],
    },
    { line: "vdi lst", says: ["vdi lst", "did you mean 'list'? see"] },
    { line: "vdi enlarge a", says: ["vdi enlarge", "check, lock, unlock; see 'sheepfs vdi"] },
    { line: "vdi lock brek a", says: ["vdi lock brek", "did you mean 'break'?"] },
    { line: "vdi lock", says: ["'sheepfs vdi lock' needs one of show, take, break"] },
    { line: "vdi lock break", says: ["sheepfs vdi lock break"] },
    { line: "toString", says: ["'toString'"] },
    { line: "vdi constructor", says: ["vdi constructor"] },
  ],
};

for (const [name, rows] of Object.entries(tables)) {
  describe(name, () => {
    for (const { line, says } of rows) {
      test(`sheepfs ${line}`, async () => {
        const message = await complaint(line === "" ? [] : line.split(" "));
        for (const word of says) expect(message).toContain(word);
        expect(message).not.toContain("\n");
      });
    }
  });
}

test("an argument that is no UTF-8 is refused, as its bytes are lost", async () => {
  const line = ["vdi", "delete", "a\ufffd"];
  expect(await complaint(line)).toContain("'a\ufffd' is no UTF-8; write such bytes as \\xNN");
});

test("an empty mountpoint is refused", async () => {
  expect(await complaint(["mount", ""])).toContain("MOUNTPOINT is empty");
});
