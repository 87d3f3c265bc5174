import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { helperName, mountLine } from "./mount-helper.ts";

let line: readonly string[] | null = null;

/**
 * What follows the program's name. Called by mount(8) under the name of its helper, the program is
 * given another line, which stands here as the one of `sheepfs mount` that means the same.
 * @throws UsageError when mount(8)'s line has no such meaning
 */
export function commandLine(): readonly string[] {
  const argv = process.argv.slice(2);
  line ??= calledAs() === helperName ? mountLine(argv) : argv;
  return line;
}

/** The runtime keeps the name that it was called by to itself. */
function calledAs(): string {
  const [first = ""] = readFileSync("/proc/self/cmdline", "utf8").split("\0");
  return basename(first);
}
