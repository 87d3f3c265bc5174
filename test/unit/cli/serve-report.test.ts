import { describe, expect, test } from "bun:test";
import type { LoginReport, ServeReport } from "../../../src/app/serve.ts";
import { reportText } from "../../../src/cli/run-serve.ts";

const made: LoginReport = {
  ...{ by: "made-password", user: "sheepfs", file: "/etc/sheepfs/webdav-password" },
  password: "abcde-fghij",
};
const report: ServeReport = {
  urls: ["http://node1:8080/", "https://[::1]:8443/"],
  mountpoint: "/mnt/sheep",
  pid: 4711,
  login: made,
  warnings: ["in the clear"],
};

describe("what a server says when it can be reached", () => {
  test("is where, how to log in, what to mind and how to end it", () => {
    expect(reportText(report, { terminal: false, foreground: false })).toBe(
      [
        "serving http://node1:8080/",
        "serving https://[::1]:8443/",
        "mounted on /mnt/sheep",
        "log in as 'sheepfs' with the password in /etc/sheepfs/webdav-password",
        '  curl -u "sheepfs:$(cat /etc/sheepfs/webdav-password)" http://node1:8080/cluster/info',
        "warning: in the clear",
        "to end it: kill 4711",
        "",
      ].join("\n"),
    );
  });

  test("is the new password too, on a terminal and at the start that has made it alone", () => {
    const how = { terminal: true, foreground: true };
    expect(reportText(report, how)).toContain("made now, the password is: abcde-fghij\n");
    expect(reportText(report, how)).not.toContain("kill");
    const later: ServeReport = { ...report, login: { ...made, password: null } };
    expect(reportText(later, how)).not.toContain("password is");
  });

  const rows: readonly (readonly [LoginReport, string])[] = [
    [{ by: "nobody", why: "loopback" }, "no login is asked for: only this machine can connect\n"],
    [{ by: "nobody", why: "anonymous" }, "no login is asked for\n"],
    [{ by: "password", user: "a", file: "/p" }, "log in as 'a' with the password in /p\n"],
    [{ by: "htpasswd", users: 3, file: "/h" }, "log in as one of the 3 users in /h\n"],
  ];
  for (const [login, line] of rows) {
    test(`with a login by ${login.by}: ${line.trim()}`, () => {
      const text = reportText({ ...report, login }, { terminal: true, foreground: false });
      expect(text).toContain(line);
      expect(text).not.toContain("abcde");
    });
  }
});
