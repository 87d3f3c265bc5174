import { expect, test } from "bun:test";
import { mountLine } from "../../../src/cli/mount-helper.ts";
import { resolveLine } from "../../../src/cli/resolve.ts";
import { UsageError } from "../../../src/cli/usage-error.ts";
import { parseMountOptions } from "../../../src/fuse/mount-options.ts";

const lines = [
  {
    what: "a line of mount(8)",
    given: ["node1:7000", "/mnt", "-n", "-o", "rw,_netdev"],
    means: ["mount", "--sheep=node1:7000", "--options=fsname=node1:7000,rw,_netdev", "--", "/mnt"],
  },
  {
    what: "several gateways, a type and what is ours among the options",
    given: [
      ...["a:1,b:2", "/mnt", "-sv", "-o", "ro,attach=x,attach=y,log_file=/l"],
      ...["-t", "fuse.sheepfs", "-o", "page_cache,pid_file=/p,x-systemd.automount"],
    ],
    means: [
      ...["mount", "--sheep=a:1,b:2", "--attach=x", "--attach=y", "--log-file=/l"],
      ...["--page-cache", "--pid-file=/p"],
      ...["--options=fsname=a:1\\,b:2,ro,x-systemd.automount", "--", "/mnt"],
    ],
  },
  {
    what: "no gateway, and a source of another name",
    given: ["none", "/mnt", "-r", "-o", "fsname=prod"],
    means: ["mount", "--options=ro,fsname=prod", "--", "/mnt"],
  },
];

for (const { what, given, means } of lines) {
  test(`${what} is the line of 'sheepfs mount' that means the same`, async () => {
    expect(mountLine(given)).toEqual(means);
    expect((await resolveLine(mountLine(given), () => true)).do).toBe("run");
  });
}

test("a comma in the source is no end of the option", () => {
  const [options = ""] = mountLine(["a:1,b:2", "/mnt"]).filter((word) => word.includes("fsname"));
  expect(parseMountOptions(options.replace("--options=", "")).source).toBe("a:1,b:2");
});

const mistakes = [
  { given: [], says: "usage: mount.fuse.sheepfs" },
  { given: ["a:1"], says: "usage: mount.fuse.sheepfs" },
  { given: ["a:1", "/mnt", "/other"], says: "'/other'" },
  { given: ["a:1", "/mnt", "-f"], says: "'-f'" },
  { given: ["a:1", "/mnt", "-N", "1"], says: "'-N'" },
  { given: ["a:1", "/mnt", "-o", "attach"], says: "attach=VALUE" },
  { given: ["a:1", "/mnt", "-o", "page_cache=1"], says: "write page_cache" },
];

for (const { given, says } of mistakes) {
  test(`the line '${given.join(" ")}' is refused with what is wrong`, () => {
    expect(() => mountLine(given)).toThrow(UsageError);
    expect(() => mountLine(given)).toThrow(says);
  });
}
