import { expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type MadePassword, madePasswordFile } from "../../../src/app/made-password.ts";
import { must, TemporaryFolder } from "../../support/process.ts";

const program = join(import.meta.dirname, "made-password-program.ts");

test("whoever asks for it at the same time gets the same, made once", async () => {
  using folder = new TemporaryFolder();
  const file = join(folder.path, "new", "webdav-password");
  const ask = async (): Promise<MadePassword> =>
    JSON.parse(await must([process.execPath, program, file])) as MadePassword;
  const answers = await Promise.all(Array.from({ length: 4 }, ask));
  expect(new Set(answers.map(({ password }) => password)).size).toBe(1);
  expect(answers.filter(({ isNew }) => isNew).length).toBe(1);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder.path, "new")).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(folder.path, "new"))).toEqual(["webdav-password"]);
});

test("it is kept where the user's settings are", () => {
  const config = madePasswordFile({ XDG_CONFIG_HOME: "/home/anna/.config" });
  expect(config).toBe("/home/anna/.config/sheepfs/webdav-password");
  expect(madePasswordFile({ XDG_CONFIG_HOME: "relative" })).not.toContain("relative");
});
