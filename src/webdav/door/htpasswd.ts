import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { passwordHashes } from "./password.ts";

/** Hashes by user. */
export type Users = ReadonlyMap<string, string>;

const known: readonly RegExp[] = Object.values(passwordHashes);

/**
 * The users of a file of Apache's `htpasswd`.
 * @param name of the file, for messages, which never show a hash
 * @throws invalid naming file and line: for what is no user's line, or hashed in a way that is too
 * weak or unknown
 */
export function parseHtpasswd(text: string, name: string): Users {
  const users = new Map<string, string>();
  const lines = text.split(/\r?\n/);
  lines.forEach((line, index) => {
    if (line.trim() === "" || line.startsWith("#")) return;
    const where = `'${name}', line ${index + 1}`;
    const colon = line.indexOf(":");
    if (colon < 1) throw new SheepfsError("invalid", `${where}: write USER:HASH`);
    const user = line.slice(0, colon);
    // Tools add fields behind the hash.
    const hash =
      line
        .slice(colon + 1)
        .split(":")[0]
        ?.trim() ?? "";
    if (!known.some((form) => form.test(hash))) {
      throw new SheepfsError(
        "invalid",
        `${where}: the hash of user '${user}' is none of bcrypt, argon2, apr1 and {SHA}; ` +
          `make it with: htpasswd -B ${name} ${user}`,
      );
    }
    users.set(user, hash);
  });
  if (users.size === 0) throw new SheepfsError("invalid", `'${name}' names no user`);
  if (users.size > limits.usersMax) {
    throw new SheepfsError(
      "overload",
      `'${name}' names ${users.size} users; ${limits.usersMax} are the most`,
    );
  }
  return users;
}
