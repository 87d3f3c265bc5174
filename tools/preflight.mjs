// Says what keeps the demo from mounting before anything is installed or built.
import { accessSync, constants, existsSync } from "node:fs";

function obstacle() {
  if (process.platform !== "linux") {
    return "sheepfs mounts on Linux only; run it on a Linux machine";
  }
  if (process.getuid() !== 0) {
    return "the demo mounts a file system and a loop device, which needs root; run: sudo npm run demo";
  }
  if (!existsSync("/dev/fuse")) {
    return (
      "there is no /dev/fuse here; load the kernel's module with: modprobe fuse\n" +
      "  (in a container, start it with: --device /dev/fuse --cap-add SYS_ADMIN)"
    );
  }
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch {
    return (
      "/dev/fuse cannot be opened here; make it readable and writable for root\n" +
      "  (in a container, start it with: --device /dev/fuse --cap-add SYS_ADMIN)"
    );
  }
  if (!existsSync("/dev/loop-control")) {
    return "there is no /dev/loop-control here; load the kernel's module with: modprobe loop";
  }
  return null;
}

const found = obstacle();
if (found !== null) {
  console.error(`demo: ${found}\n  Nothing was changed.`);
  process.exit(1);
}
