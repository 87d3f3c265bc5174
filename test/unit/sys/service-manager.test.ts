import { expect, test } from "bun:test";
import { ServiceManager } from "../../../src/sys/service-manager.ts";
import { NotifySocket } from "../../support/notify-socket.ts";
import { ManualClock } from "../tree/manual-clock.ts";

const lives = (): boolean => true;

test("it is told what becomes of the service, in sd_notify's words", async () => {
  using socket = new NotifySocket();
  const manager = new ServiceManager({ NOTIFY_SOCKET: socket.address }, new ManualClock(), lives);
  // Not before it is usable.
  manager.reloading();
  manager.reloaded();
  manager.ready("mounted on /mnt\n/x");
  manager.reloading();
  manager.reloaded();
  manager.stopping("SIGTERM");
  manager.close();
  await socket.until(/^STOPPING=1$/);
  expect(socket.messages.map((text) => text.replace(/[0-9]{5,}/, "N"))).toEqual([
    "READY=1\nSTATUS=mounted on /mnt /x",
    "RELOADING=1\nMONOTONIC_USEC=N\nSTATUS=reloading",
    "READY=1\nSTATUS=mounted on /mnt /x",
    "STOPPING=1\nSTATUS=SIGTERM",
  ]);
});

test("signs of life come twice in the time that the watchdog waits, while it lives, until it is closed", async () => {
  using socket = new NotifySocket(`@sheepfs-test-${process.pid}`);
  const clock = new ManualClock();
  const env = { NOTIFY_SOCKET: socket.address, WATCHDOG_USEC: "8000000" };
  const own = { ...env, WATCHDOG_PID: String(process.pid) };
  const manager = new ServiceManager(own, clock, () => clock.nowMs() !== begunMs + 8_000);
  const begunMs = clock.nowMs();
  manager.ready("up");
  for (const _ of [1, 2, 3, 4]) clock.advance(4_000);
  manager.close();
  clock.advance(40_000);
  manager.stopping("over");
  await socket.until(/^STOPPING=1$/);
  expect(socket.messages.filter((text) => text === "WATCHDOG=1").length).toBe(3);
});

test("nothing is sent where nobody waits, and a manager that is gone harms nobody", () => {
  const clock = new ManualClock();
  for (const address of [undefined, "", "vsock:2:1", "/nowhere/notify", `/${"x".repeat(200)}`]) {
    const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "1000" };
    const manager = new ServiceManager(env, clock, lives);
    manager.ready("up");
    clock.advance(10);
    manager.stopping("over");
    manager.close();
  }
});

test("a watchdog that waits for another process is not ours", async () => {
  using socket = new NotifySocket();
  const clock = new ManualClock();
  const env = { NOTIFY_SOCKET: socket.address, WATCHDOG_USEC: "1000000", WATCHDOG_PID: "1" };
  const manager = new ServiceManager(env, clock, lives);
  manager.ready("up");
  clock.advance(5_000);
  manager.stopping("over");
  manager.close();
  await socket.until(/^STOPPING=1$/);
  expect(socket.messages.length).toBe(2);
});
