import { ptr } from "bun:ffi";
import { cString, libc } from "./libc.ts";

const priorities = { error: 3, warn: 4, info: 6, debug: 7 } as const;
const withPid = 1;
const daemonFacility = 3 << 3;

// syslog(3) keeps the pointer of the first.
const name = cString("sheepfs");
const format = cString("%s");

/** Lines to the system's log. Takes any text; a NUL in it would end it early and is left out. */
export function openSyslog(): (level: keyof typeof priorities, line: string) => void {
  libc.openlog(ptr(name), withPid, daemonFacility);
  return (level, line) => {
    libc.syslog(priorities[level], ptr(format), ptr(cString(line.replaceAll("\0", ""))));
  };
}
