import { randomInt } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { SheepfsError } from "../base/errors.ts";

export interface MadePassword {
  readonly file: string;
  readonly password: string;
  /** It was made just now. */
  readonly isNew: boolean;
}

/** Whose password it is. */
export const madeUser = "sheepfs";

/** Where the password is kept that is made when none is given. */
export function madePasswordFile(env: Readonly<Record<string, string | undefined>>): string {
  const config = env["XDG_CONFIG_HOME"];
  const folder =
    config?.startsWith("/") === true
      ? join(config, "sheepfs")
      : process.getuid?.() === 0
        ? "/etc/sheepfs"
        : join(homedir(), ".config", "sheepfs");
  return join(folder, "webdav-password");
}

/**
 * The password in `file`, made at the first call: whoever comes second gets the same.
 * @throws denied when others than its owner can read the file, or it cannot be written
 */
export function madePassword(file: string): MadePassword {
  const known = readOwn(file);
  if (known !== null) return { file, password: known, isNew: false };
  const made = writeOwn(file, newPassword());
  const password = readOwn(file);
  if (password === null) throw new SheepfsError("denied", `'${file}' vanished while it was made`);
  return { file, password, isNew: made };
}

/** @returns null when there is no such file */
function readOwn(file: string): string | null {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return null;
    throw new SheepfsError("denied", `password file '${file}' cannot be read: ${codeOf(thrown)}`);
  }
  try {
    const { mode, uid } = fstatSync(fd);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) {
      throw new SheepfsError("denied", `password file '${file}' is no file`);
    }
    if ((mode & 0o077) !== 0) {
      throw new SheepfsError(
        "denied",
        `password file '${file}' is open to other users; chmod 600 it, and remove it first if ` +
          "its password may be known: another one is made then",
      );
    }
    if (uid !== process.getuid?.()) {
      throw new SheepfsError("denied", `password file '${file}' belongs to another user`);
    }
    const password = readFileSync(fd, "utf8").split("\n")[0] ?? "";
    if (password !== "") return password;
    throw new SheepfsError("denied", `password file '${file}' is empty; remove it`);
  } finally {
    closeSync(fd);
  }
}

/** Complete or not at all, over nothing that exists. @returns false when another process was faster */
function writeOwn(file: string, password: string): boolean {
  const draft = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    rmSync(draft, { force: true });
    const fd = openSync(draft, "wx", 0o600);
    try {
      writeSync(fd, `${password}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    try {
      linkSync(draft, file);
      return true;
    } catch (thrown) {
      if (codeOf(thrown) === "EEXIST") return false;
      throw thrown;
    } finally {
      rmSync(draft, { force: true });
    }
  } catch (thrown) {
    throw new SheepfsError(
      "denied",
      `a password cannot be kept in '${file}' (${codeOf(thrown)}); give --user and ` +
        "--password-file, --htpasswd or --anonymous",
    );
  }
}

/** Letters and digits that are not taken for each other: 25 of these 32 make 125 bits. */
const letters = "abcdefghijkmnpqrstuvwxyz23456789";
const groupsOf = { count: 5, length: 5 } as const;

function newPassword(): string {
  const group = (): string =>
    Array.from({ length: groupsOf.length }, () => letters[randomInt(letters.length)]).join("");
  return Array.from({ length: groupsOf.count }, group).join("-");
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
}
