import { UsageError } from "./usage-error.ts";

/** What mount(8) calls for `mount -t fuse.sheepfs` and such a line in /etc/fstab. */
export const helperName = "mount.fuse.sheepfs";

const usage = `usage: ${helperName} HOST:PORT[,HOST:PORT]... MOUNTPOINT [-o OPTIONS]`;

/** Options of `sheepfs mount` that are words of `-o` here, and how they are written there. */
const optionWords: Readonly<Record<string, { readonly option: string; readonly takes: boolean }>> =
  {
    attach: { option: "--attach", takes: true },
    log_file: { option: "--log-file", takes: true },
    pid_file: { option: "--pid-file", takes: true },
    page_cache: { option: "--page-cache", takes: false },
  };

/** Flags of mount(8) that change nothing here: no mtab, verbose, lenient, read-write. */
const idleFlags = /^-[nvsw]+$/;

/**
 * The line of `sheepfs mount` for the one that mount(8) gives its helpers:
 * `SPEC DIR [-nvswr] [-t TYPE] [-o OPTIONS]`.
 * @throws UsageError naming what is missing or not understood
 */
export function mountLine(argv: readonly string[]): string[] {
  const { spec, mountpoint, words } = readLine(argv);
  const line: string[] = [];
  // What fstab names is what /proc/mounts shows, by which mount(8) knows what is mounted already.
  const rest = words.some((word) => word.startsWith("fsname=")) ? [] : [`fsname=${escaped(spec)}`];
  for (const word of words) {
    const [name = "", value = null] = splitWord(word);
    const known = Object.hasOwn(optionWords, name) ? optionWords[name] : undefined;
    if (known === undefined) {
      rest.push(word);
      continue;
    }
    if (known.takes !== (value !== null && value !== "")) {
      const form = known.takes ? `${name}=VALUE` : name;
      throw new UsageError(`mount option '${word}': write ${form}`);
    }
    line.push(value === null ? known.option : `${known.option}=${value}`);
  }
  const gateways = spec === "none" ? [] : [`--sheep=${spec}`];
  return ["mount", ...gateways, ...line, `--options=${rest.join(",")}`, "--", mountpoint];
}

interface HelperLine {
  readonly spec: string;
  readonly mountpoint: string;
  readonly words: readonly string[];
}

function readLine(argv: readonly string[]): HelperLine {
  const places: string[] = [];
  const words: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const argument = argv[at] ?? "";
    if (argument === "-o" || argument === "-t" || argument === "-N") {
      at += 1;
      if (argument === "-N") throw new UsageError("'-N' is not supported: use nsenter");
      if (argument === "-o") words.push(...(argv[at] ?? "").split(/(?<!\\),/));
    } else if (argument === "-r") words.push("ro");
    else if (argument.startsWith("-") && !idleFlags.test(argument)) {
      throw new UsageError(`unknown option '${argument}'; ${usage}`);
    } else if (!argument.startsWith("-")) places.push(argument);
  }
  const [spec, mountpoint, more] = places;
  if (spec === undefined || mountpoint === undefined) throw new UsageError(usage);
  if (more !== undefined) throw new UsageError(`unexpected argument '${more}'; ${usage}`);
  return { spec, mountpoint, words: words.filter((word) => word !== "") };
}

function splitWord(word: string): readonly string[] {
  const equals = word.indexOf("=");
  return equals < 0 ? [word] : [word.slice(0, equals), word.slice(equals + 1)];
}

/** A comma ends an option, unless it is escaped. */
function escaped(text: string): string {
  return text.replace(/[\\,]/g, (sign) => `\\${sign}`);
}
