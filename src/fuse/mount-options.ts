import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";

/** `-o` as understood; what is absent has its default. */
export interface MountOptions {
  readonly readOnly: boolean;
  readonly allowOther: boolean;
  readonly nonEmpty: boolean;
  readonly uid: number | null;
  readonly gid: number | null;
  readonly umask: number;
  readonly source: string;
  readonly maxReadBytes: number | null;
  /** How long a request waits for the cluster before it fails; Infinity: for ever. */
  readonly timeoutMs: number;
  /** Words that mount(2) knows as flags: noexec, noatime … */
  readonly flagWords: readonly string[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const defaultMountOptions: MountOptions = {
  readOnly: false,
  allowOther: false,
  nonEmpty: false,
  uid: null,
  gid: null,
  umask: 0,
  source: "sheepfs",
  maxReadBytes: null,
  timeoutMs: limits.operationTimeoutMs,
  flagWords: [],
};

const pageBytes = 4096;

type Setter = (options: Mutable<MountOptions>, value: string, word: string) => void;

/** Options without a value, and what they do. */
const switches: Record<string, (options: Mutable<MountOptions>, word: string) => void> = {
  ro: (options) => {
    options.readOnly = true;
  },
  rw: (options) => {
    options.readOnly = false;
  },
  allow_other: (options) => {
    options.allowOther = true;
  },
  nonempty: (options) => {
    options.nonEmpty = true;
  },
  noexec: addFlag,
  noatime: addFlag,
  nodiratime: addFlag,
  relatime: addFlag,
  sync: addFlag,
  dirsync: addFlag,
  // Always so: the modes shown are the modes that count, and a tree of disks needs no set-id
  // programs or devices.
  default_permissions: () => {},
  nosuid: () => {},
  nodev: () => {},
  exec: () => {},
  async: () => {},
  // Words of fstab to mount(8) and systemd, passed on by them.
  auto: () => {},
  noauto: () => {},
  nofail: () => {},
  _netdev: () => {},
};

/** Options with a value. */
const values: Record<string, Setter> = {
  uid: (options, value, word) => {
    options.uid = decimal(value, word);
  },
  gid: (options, value, word) => {
    options.gid = decimal(value, word);
  },
  umask: (options, value, word) => {
    if (!/^[0-7]{1,4}$/.test(value)) throw badOption(word, "write an octal mask, e.g. umask=027");
    options.umask = Number.parseInt(value, 8) & 0o777;
  },
  fsname: (options, value, word) => {
    if (value === "") throw badOption(word, "write a name");
    options.source = value;
  },
  timeout: (options, value, word) => {
    options.timeoutMs = timeoutMsOf(value, word);
  },
  max_read: (options, value, word) => {
    const bytes = decimal(value, word);
    if (bytes < pageBytes) throw badOption(word, `write ${pageBytes} or more bytes`);
    options.maxReadBytes = bytes;
  },
};

/** `30s`, `5m`, `2h`, a number of seconds, or `forever`. */
function timeoutMsOf(value: string, word: string): number {
  if (value === "forever") return Number.POSITIVE_INFINITY;
  const [, count, unit = "s"] = /^([0-9]{1,6})([smh]?)$/.exec(value) ?? [];
  const seconds = Number(count ?? 0) * (unit === "h" ? 3600 : unit === "m" ? 60 : 1);
  if (seconds >= 1) return seconds * 1000;
  throw badOption(word, "write a time, e.g. timeout=30s, or timeout=forever");
}

function addFlag(options: Mutable<MountOptions>, word: string): void {
  options.flagWords = [...options.flagWords, word];
}

/** Every word that `-o` takes, for the help. */
export const mountOptionWords: readonly string[] = [
  ...Object.keys(switches),
  ...Object.keys(values).map((name) => `${name}=`),
];

/**
 * Parses the text of `-o`.
 * @throws invalid naming the option that is unknown or has a bad value
 */
export function parseMountOptions(text: string): MountOptions {
  const options: Mutable<MountOptions> = { ...defaultMountOptions };
  // An escaped comma is part of a value.
  for (const escaped of text.split(/(?<!\\),/)) {
    const word = escaped.replace(/\\([\\,])/g, "$1");
    if (word === "" || word.startsWith("x-")) continue;
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    const setSwitch = Object.hasOwn(switches, name) ? switches[name] : undefined;
    const setValue = Object.hasOwn(values, name) ? values[name] : undefined;
    if (equals < 0 && setSwitch !== undefined) setSwitch(options, name);
    else if (equals >= 0 && setValue !== undefined) setValue(options, word.slice(equals + 1), word);
    else if (setSwitch !== undefined) throw badOption(word, `'${name}' takes no value`);
    else if (setValue !== undefined) throw badOption(word, `write ${name}=VALUE`);
    else throw badOption(word, `known are ${mountOptionWords.join(" ")}`);
  }
  return options;
}

function decimal(value: string, word: string): number {
  if (!/^[0-9]{1,10}$/.test(value) || Number(value) > 0xffff_fffe) {
    throw badOption(word, "write a whole number");
  }
  return Number(value);
}

function badOption(word: string, advice: string): SheepfsError {
  return new SheepfsError("invalid", `mount option '${word}': ${advice}`);
}
