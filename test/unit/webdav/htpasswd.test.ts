import { describe, expect, test } from "bun:test";
import { Passwords } from "../../../src/sys/passwords.ts";
import { parseHtpasswd } from "../../../src/webdav/door/htpasswd.ts";

// Made by Apache's htpasswd 2.4 with -nbB, -nbm and -nbs.
const made = {
  bcrypt: "$2y$05$imJuKyaYRhQMytlxzLwk5.ZmSzDqaEyKsTNx01GtfwY.CGddy84Ky",
  apr1: "$apr1$oJidtdZS$bu2oGMl71/BQS2yMnNbOL/",
  sha: "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
};

describe("htpasswd", () => {
  for (const [form, hash] of Object.entries(made)) {
    test(`${form} is understood`, async () => {
      const users = parseHtpasswd(`# staff\n\nanna:${hash}\r\n`, "users");
      const passwords = new Passwords();
      const kept = users.get("anna") ?? "";
      expect(await passwords.matches("secret", kept)).toBe(true);
      for (const wrong of ["Secret", "secret ", "", "secre"]) {
        expect(await passwords.matches(wrong, kept)).toBe(false);
      }
    });
  }

  test("apr1 of long and of other than ASCII passwords", async () => {
    const passwords = new Passwords();
    const rows = [
      ["exactly16bytes!!", "$apr1$Rt6vYdQb$reojVh32vhaFyABwjW56b/"],
      ["üñ€", "$apr1$Rt6vYdQb$p5cRW0I4pQ/HgKgH4AbMh0"],
    ] as const;
    for (const [password, hash] of rows) {
      expect(await passwords.matches(password, hash)).toBe(true);
    }
  });

  const bad: readonly (readonly [string, string])[] = [
    ["anna", "line 1"],
    [`:${made.sha}`, "line 1"],
    [`anna:${made.sha}\nbert:secret`, "line 2"],
    ["anna:rqXexS6ZhobKA", "'anna'"],
    ["anna:$6$salt$hash", "htpasswd -B users anna"],
    ["anna:$2y$05$short", "'anna'"],
    ["# nobody\n", "names no user"],
  ];
  for (const [text, words] of bad) {
    test(`is refused naming its place, never a hash: ${JSON.stringify(text)}`, () => {
      let message = "";
      try {
        parseHtpasswd(text, "users");
      } catch (thrown) {
        message = String(thrown);
      }
      expect(message).toContain(words);
      expect(message).not.toContain("secret");
      expect(message).not.toContain("rqXexS6ZhobKA");
    });
  }
});

test("a digest tells nothing to another process", () => {
  const [one, other] = [new Passwords(), new Passwords()];
  expect(one.digest("secret")).toBe(one.digest("secret"));
  expect(one.digest("secret")).not.toBe(other.digest("secret"));
  expect(one.digest("secret")).not.toContain("secret");
});
