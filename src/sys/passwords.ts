import { timingSafeEqual } from "node:crypto";

const digestMark = "{KEYED}";

/** Hashes of passwords, and a key for digests that lives as long as the process. */
export class Passwords {
  readonly #key = crypto.getRandomValues(Buffer.alloc(32));

  digest(text: string): string {
    return digestMark + new Bun.CryptoHasher("sha256", this.#key).update(text).digest("base64");
  }

  async matches(password: string, hash: string): Promise<boolean> {
    if (hash.startsWith(digestMark)) return equal(this.digest(password), hash);
    if (hash.startsWith("{SHA}")) {
      const digest = new Bun.CryptoHasher("sha1").update(password).digest("base64");
      return equal(`{SHA}${digest}`, hash);
    }
    if (hash.startsWith("$apr1$")) return equal(apr1(password, hash.split("$")[2] ?? ""), hash);
    try {
      return await Bun.password.verify(password, hash);
    } catch {
      // An empty password, or a hash that only looked like one: nobody's.
      return false;
    }
  }
}

/** In a time that depends on the lengths alone. */
function equal(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const rounds = 1_000;

/** Apache's MD5: the scheme of the BSDs' `$1$` with another mark. Source: APR, apr_md5_encode */
function apr1(password: string, salt: string): string {
  const secret = Buffer.from(password);
  const salted = Buffer.from(salt);
  let digest = md5(secret, salted, secret);
  const parts: Uint8Array[] = [secret, Buffer.from("$apr1$"), salted];
  for (let left = secret.length; left > 0; left -= 16) {
    parts.push(digest.subarray(0, Math.min(16, left)));
  }
  // For each bit of the length, the first byte of the password or a zero.
  for (let bits = secret.length; bits > 0; bits >>= 1) {
    parts.push((bits & 1) === 1 ? Buffer.of(0) : secret.subarray(0, 1));
  }
  digest = md5(...parts);
  for (let round = 0; round < rounds; round += 1) {
    const odd = round % 2 === 1;
    digest = md5(
      odd ? secret : digest,
      round % 3 === 0 ? empty : salted,
      round % 7 === 0 ? empty : secret,
      odd ? digest : secret,
    );
  }
  return `$apr1$${salt}$${apr1Text(digest)}`;
}

const empty = Buffer.alloc(0);

function md5(...parts: readonly Uint8Array[]): Buffer {
  const hasher = new Bun.CryptoHasher("md5");
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

const digits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** Which bytes of the digest make each group of four digits, the highest first. */
const groups = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
] as const;

function apr1Text(digest: Uint8Array): string {
  const byte = (at: number): number => digest[at] ?? 0;
  const four = groups.map(([high, middle, low]) =>
    digitsOf((byte(high) << 16) | (byte(middle) << 8) | byte(low), 4),
  );
  return four.join("") + digitsOf(byte(11), 2);
}

/** The lowest six bits first. */
function digitsOf(value: number, count: number): string {
  return Array.from({ length: count }, (_, at) => digits[(value >> (6 * at)) & 63] ?? "").join("");
}
