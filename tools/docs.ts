// `npm run docs`: writes again the tables of the documents that the code decides.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { errorTable, exitDamage, exitUsage } from "../src/base/errors.ts";
import { limits } from "../src/base/limits.ts";
import type { Struct } from "../src/base/struct.ts";
import type { Command, CommandGroup } from "../src/cli/command.ts";
import { errno, errnoOf, ioErrnoOf } from "../src/fuse/errno.ts";
import { mountOptionWords } from "../src/fuse/mount-options.ts";
import { statusOf } from "../src/webdav/status.ts";
import { opcodes } from "../src/wire/opcode.ts";
import { results } from "../src/wire/result.ts";

const root = join(import.meta.dirname, "..");

/** Documents that have tables from the code. */
export const documents = ["docs/OPERATIONS.md", "docs/WIRE.md", "docs/INCREMENT.md"] as const;

/** What stands between `<!-- generated: NAME -->` and `<!-- end -->`, by name. */
const blocks: Readonly<Record<string, () => string | Promise<string>>> = {
  errors: errorsBlock,
  "exit-codes": exitCodesBlock,
  limits: limitsBlock,
  help: helpBlock,
  "mount-options": () => mountOptionWords.map((word) => `\`${word}\``).join(" "),
  opcodes: opcodesBlock,
  results: resultsBlock,
  structs: structsBlock,
  increment: incrementBlock,
};

/**
 * The text of a document with its tables as the code has them now.
 * @throws Error naming a block that is unknown or does not end
 */
export async function regenerate(path: string, text: string): Promise<string> {
  const parts = text.split(/(<!-- generated: [a-z-]+ -->\n)/);
  let made = parts[0] ?? "";
  for (let at = 1; at < parts.length; at += 2) {
    const mark = parts[at] ?? "";
    const name = /generated: ([a-z-]+)/.exec(mark)?.[1] ?? "";
    const block = blocks[name];
    if (block === undefined) throw new Error(`${path}: nothing makes the block '${name}'`);
    const end = parts[at + 1]?.indexOf("<!-- end -->") ?? -1;
    if (end < 0) throw new Error(`${path}: the block '${name}' has no end`);
    made += `${mark}\n${(await block()).trimEnd()}\n\n${parts[at + 1]?.slice(end)}`;
  }
  return made;
}

function table(heads: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = [heads, heads.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function errnoName(number: number): string {
  return Object.entries(errno).find(([, value]) => value === number)?.[0] ?? String(number);
}

function errorsBlock(): string {
  const rows = entriesOf(errorTable).map(([code, { meaning, exit }]) => {
    const [any, io] = [errnoName(errnoOf[code]), errnoName(ioErrnoOf(code))];
    const inMount = any === io ? any : `${any} (read, write: ${io})`;
    return [`\`${code}\``, meaning, inMount, statusOf[code], exit];
  });
  return table(["error", "when", "errno in the mount", "HTTP status", "exit code"], rows);
}

function exitCodesBlock(): string {
  const words: Readonly<Record<number, string>> = {
    0: "done; for `mount`: the mount is usable",
    [exitDamage]: "a check has found what somebody has to see to",
    [exitUsage]: "the command line cannot be understood; nothing was done",
  };
  const codes = new Set([
    0,
    ...Object.values(errorTable).map((row) => row.exit),
    exitDamage,
    exitUsage,
  ]);
  const rows = [...codes]
    .sort((a, b) => a - b)
    .map((exit) => {
      const errors = entriesOf(errorTable).filter(([, row]) => row.exit === exit);
      return [exit, words[exit] ?? errors.map(([code]) => `\`${code}\``).join(" ")];
    });
  return table(["exit code", "errors, or when"], rows);
}

function limitsBlock(): string {
  const path = join(root, "src", "base", "limits.ts");
  const reasons = reasonsIn(readFileSync(path, "utf8"));
  const rows = entriesOf(limits).map(([name, value]) => [
    `\`${name}\``,
    shownLimit(name, value),
    reasons.get(name) ?? "",
  ]);
  return table(["limit", "value", "of what, and why"], rows);
}

function shownLimit(name: string, value: number): string {
  if (name.endsWith("Ms")) return value >= 1000 ? `${value / 1000} s` : `${value} ms`;
  if (!/Bytes(Max)?$/.test(name)) return String(value);
  return value >= 2 ** 20 ? `${value / 2 ** 20} MiB` : `${value / 2 ** 10} KiB`;
}

/** The comment above each property; one without shares its neighbour's. */
function reasonsIn(text: string): Map<string, string> {
  const reasons = new Map<string, string>();
  const tree = ts.createSourceFile("limits.ts", text, ts.ScriptTarget.ESNext, true);
  let last = "";
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node)) {
      const comment = ts.getLeadingCommentRanges(text, node.getFullStart())?.at(-1);
      if (comment !== undefined) last = plainComment(text.slice(comment.pos, comment.end));
      reasons.set(node.name.getText(), last);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return reasons;
}

function plainComment(comment: string): string {
  const inside = comment.replace(/^\/\*\*?|\*\/$/g, "").replace(/^\s*\* ?/gm, "");
  return inside.replaceAll("|", "\\|").replace(/\s+/g, " ").trim();
}

async function helpBlock(): Promise<string> {
  const [help, { commandLoaders, loadLegacyCommand }] = await Promise.all([
    import("../src/cli/help.ts"),
    import("../src/cli/registry.ts"),
  ]);
  const texts = [await help.overview()];
  const add = async (found: Command | CommandGroup): Promise<void> => {
    if (!("commands" in found)) {
      texts.push(await help.commandHelp(found));
      return;
    }
    texts.push(await help.groupHelp(found));
    for (const one of Object.values(found.commands)) await add(one);
  };
  for (const load of Object.values(commandLoaders)) await add(await load());
  texts.push(await help.commandHelp(await loadLegacyCommand()));
  return texts
    .map((text) => `\`\`\`\n${Bun.stripANSI(text).trimEnd()}\n\`\`\``.replace(/ +$/gm, ""))
    .join("\n\n");
}

function opcodesBlock(): string {
  const rows = entriesOf(opcodes).map(([name, { code, header, replay, meaning }]) => [
    `\`${name}\``,
    hex(code),
    header,
    replay,
    meaning,
  ]);
  return table(["request", "opcode", "header", "sent again", "asks for"], rows);
}

function resultsBlock(): string {
  const rows = entriesOf(results).map(([name, { code, action, error, meaning }]) => [
    `\`${name}\``,
    hex(code),
    meaning,
    action,
    name === "success" ? "" : `\`${error}\``,
  ]);
  return table(["result", "code", "says", "then we", "in the end it is"], rows);
}

function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, "0")}`;
}

async function structsBlock(): Promise<string> {
  const glob = new Bun.Glob("src/wire/*.ts");
  return await structsOf([...glob.scanSync({ cwd: root })].sort());
}

async function incrementBlock(): Promise<string> {
  return await structsOf(["src/app/backup/increment-format.ts"]);
}

async function structsOf(paths: readonly string[]): Promise<string> {
  const texts: string[] = [];
  for (const path of paths) {
    const module: Readonly<Record<string, unknown>> = await import(join(root, path));
    for (const [name, value] of Object.entries(module)) {
      if (!isStruct(value)) continue;
      const rows = Object.entries(value.fields).map(([field, { at, bytes, type }]) => [
        at,
        bytes,
        type,
        field,
      ]);
      texts.push(`### ${name}: ${value.size} bytes (\`${path}\`)`);
      texts.push(table(["at", "bytes", "type", "field"], rows));
    }
  }
  return texts.join("\n\n");
}

function isStruct(value: unknown): value is Struct<Record<string, never>> {
  return typeof value === "object" && value !== null && "offsets" in value && "fields" in value;
}

function entriesOf<K extends string, V>(record: Readonly<Record<K, V>>): [K, V][] {
  // The keys of a table of ours are those that its type says.
  return Object.entries(record) as [K, V][];
}

if (import.meta.main) {
  for (const path of documents) {
    const file = join(root, path);
    const text = readFileSync(file, "utf8");
    const made = await regenerate(path, text);
    if (made !== text) {
      writeFileSync(file, made);
      console.log(`${path} is as the code has it now`);
    }
  }
}
