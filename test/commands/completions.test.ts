import { expect, test } from "bun:test";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { completedCommands } from "../../src/cli/completions/model.ts";
import { commandLoaders } from "../../src/cli/registry.ts";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { must, sheepfsBinary, TemporaryFolder } from "../support/process.ts";

/** A cluster with names in it, and a folder in which `sheepfs` is what is tested. */
class Desk implements AsyncDisposable {
  readonly cluster: EmbeddedSheep;
  readonly #folder = new TemporaryFolder();
  readonly #binary: string;
  readonly env: Readonly<Record<string, string>>;

  private constructor(cluster: EmbeddedSheep, binary: string) {
    this.cluster = cluster;
    this.#binary = binary;
    symlinkSync(binary, join(this.#folder.path, "sheepfs"));
    const PATH = `${this.#folder.path}:${process.env["PATH"] ?? ""}`;
    this.env = { PATH, SHEEPFS_SHEEP: cluster.address, HOME: this.#folder.path };
  }

  static async open(): Promise<Desk> {
    const desk = new Desk(await startSheepProcess(), await sheepfsBinary());
    await desk.sheepfs("vdi", "create", "web", "--size", "8M");
    await desk.sheepfs("vdi", "create", "web two", "--size", "8M");
    await desk.sheepfs("vdi", "snapshot", "web", "--tag", "monday");
    return desk;
  }

  sheepfs(...words: readonly string[]): Promise<string> {
    return must([this.#binary, ...words], { env: this.env });
  }

  /** The script for a shell, in a file. */
  async script(shell: string): Promise<string> {
    const path = join(this.#folder.path, `script.${shell}`);
    writeFileSync(path, await this.sheepfs("completions", shell));
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** A line up to the cursor, and what is offered for its last word. */
const lines: readonly (readonly [string, readonly string[]])[] = [
  ["sheepfs v", ["vdi"]],
  ["sheepfs vdi sn", ["snapshot"]],
  ["sheepfs vdi lock s", ["show"]],
  ["sheepfs vdi list --j", ["--json"]],
  ["sheepfs vdi show web@", ["web@monday"]],
  ["sheepfs vdi clone ", ["web@monday"]],
  ["sheepfs vdi clone web@monday ", []],
  ["sheepfs vdi snapshot --group web w", ["web", "web two"]],
  ["sheepfs vdi export web out --format q", ["qcow2"]],
  ["sheepfs vdi import in --base w", ["web", "web two"]],
  ["sheepfs vdi show --json web@m", ["web@monday"]],
  ["sheepfs vdi show -s 127.0.0.1:9 w", []],
  ["sheepfs cat snapshot/web/", ["snapshot/web/monday"]],
  ["sheepfs cat nod", ["node/"]],
  ["sheepfs cat volume/web", ["volume/web", "volume/web two"]],
];

test("bash completes commands, options and names of the cluster", async () => {
  await using desk = await Desk.open();
  const script = await desk.script("bash");
  const ask = (line: string, breaks: string): Promise<string> => {
    const program = `source '${script}'; COMP_WORDBREAKS='${breaks}' COMP_LINE='${line}'
      COMP_POINT=\${#COMP_LINE}; _sheepfs 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return must(["bash", "-c", program], { env: desk.env });
  };
  for (const [line, words] of lines) {
    // What readline takes for the word's beginning is not given again, and a space is quoted.
    const before = line.includes("@") && !line.endsWith(" ") ? /^.*@/ : "";
    const expected = words.map((word) => word.replace(before, "").replace(" ", "\\ "));
    const answer = (await ask(line, " @=:")).split("\n").filter((word) => word !== "");
    expect([line, ...answer.sort()]).toEqual([line, ...expected]);
  }
  expect(await ask("sheepfs vdi show web@", " ")).toBe("web@monday\n");
  expect(await ask("sheepfs mount --attach=we", " =")).toBe("web\nweb\\ two\n");
  const registered = ["bash", "-c", `source '${script}'; complete -p sheepfs`];
  expect(await must(registered, { env: desk.env })).toBe("complete -F _sheepfs sheepfs\n");
}, 60_000);

test("fish completes the same, with what each is", async () => {
  await using desk = await Desk.open();
  const script = await desk.script("fish");
  for (const [line, words] of lines) {
    const program = `source '${script}'; complete -C '${line}'`;
    const answer = (await must(["fish", "-c", program], { env: desk.env })).split("\n");
    const given = answer.map((row) => row.split("\t")[0] ?? "").filter((word) => word !== "");
    // It would complete a name with a space as several words.
    const clean = given.map((word) => word.replace("\\ ", " ")).sort();
    expect([line, ...clean]).toEqual([line, ...words]);
  }
  const told = `source '${script}'; complete -C 'sheepfs vdi sn'`;
  const answer = await must(["fish", "-c", told], { env: desk.env });
  expect(answer).toBe("snapshot\tMake a snapshot of a VDI as it is now\n");
}, 60_000);

test("zsh completes the same, as it is typed", async () => {
  await using desk = await Desk.open();
  const script = await desk.script("zsh");
  const driver = `zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z 'autoload -U compinit && compinit -u; source ${script}; bindkey "^I" list-choices; PS1=rea; PS1=\${PS1}dy'
    zpty -r -m z out '*ready*'
    for pair in 'sheepfs vdi sn|snapshot*Make a snapshot' 'sheepfs vdi show web@|web@monday' \\
      'sheepfs vdi clone |web@monday' 'sheepfs vdi list --|--json*print JSON' \\
      'sheepfs cat snapshot/web/|snapshot/web/monday' 'sheepfs mount --attach w|web'; do
      zpty -w -n z "\${pair%%|*}"$'\\t'
      zpty -r -m z out "*\${pair#*|}*" && print -r -- "\${pair#*|}"
      zpty -w -n z $'\\C-u'
    done`;
  expect(await must(["zsh", "-n", script], { env: desk.env })).toBe("");
  const env = { ...desk.env, TERM: "dumb" };
  const answer = await must(["zsh", "-f", "-c", driver], { env });
  expect(answer.trim().split("\n")).toEqual([
    ...["snapshot*Make a snapshot", "web@monday", "web@monday", "--json*print JSON"],
    ...["snapshot/web/monday", "web"],
  ]);
}, 60_000);

// [S-143]
test("names are none, and no error, where there is no cluster or it hangs", async () => {
  await using desk = await Desk.open();
  desk.cluster.child.kill("SIGSTOP");
  const startedMs = performance.now();
  expect(await desk.sheepfs("completions", "words", "any")).toBe("");
  expect(performance.now() - startedMs).toBeLessThan(4_000);
  desk.cluster.child.kill("SIGCONT");
  const away = ["completions", "words", "any", "-s", "127.0.0.1:9"];
  expect(await desk.sheepfs(...away)).toBe("");
  expect(await desk.sheepfs("completions", "words", "vdi")).toBe("web\nweb two\n");
});

test("what each argument of a command takes is known, or that it is new", async () => {
  const made = new Set(["create name", "import name", "clone name", "resize size", "retag tag"]);
  const commands = await completedCommands(commandLoaders);
  for (const { path, positionals } of commands) {
    if (!path.startsWith("vdi ")) continue;
    for (const { name, kind } of positionals) {
      const isMade = made.has(`${path.slice("vdi ".length)} ${name}`);
      expect([path, name, kind === "none"]).toEqual([path, name, isMade]);
    }
  }
});
