import type { Command, CommandGroup } from "./command.ts";
import { commandLoaders } from "./registry.ts";

/** Help of one command: citty's table of arguments, then examples. */
export async function commandHelp(command: Command): Promise<string> {
  const { renderUsage } = await import("citty");
  const usage = await renderUsage({ meta: command.meta, args: command.args });
  return finish(usage, command.examples);
}

export async function groupHelp(group: CommandGroup): Promise<string> {
  const { renderUsage } = await import("citty");
  const subCommands = Object.fromEntries(
    Object.entries(group.commands).map(([name, command]) => [
      name,
      { meta: { description: command.meta.description } },
    ]),
  );
  return finish(await renderUsage({ meta: group.meta, subCommands }), group.examples);
}

/** Help of the whole program. */
export async function overview(): Promise<string> {
  const { renderUsage } = await import("citty");
  const subCommands: Record<string, { meta: { description: string } }> = {};
  for (const [name, load] of Object.entries(commandLoaders)) {
    subCommands[name] = { meta: { description: (await load()).meta.description } };
  }
  const meta = { name: "sheepfs", description: "A Sheepdog storage cluster as a directory" };
  return finish(await renderUsage({ meta, subCommands }), overviewText);
}

const overviewText = `  sheepfs mount /mnt/sheep -s node1:7000
      shows the cluster of node1 under /mnt/sheep
  echo test > /mnt/sheep/vdi/mount
      attaches the VDI 'test': its bytes are the file /mnt/sheep/volume/test
  sheepfs umount /mnt/sheep
      flushes, detaches and unmounts
  sheepfs serve --webdav :8080 -s node1:7000
      the same tree over WebDAV, for hosts without FUSE; says how to log in

  Without a command, 'sheepfs [-a ADDR] [-p PORT] [-k] [-d] [-f] [-o] MOUNTPOINT' mounts as the
  original sheepfs does. 'sheepfs --version' prints version and commit.

ENVIRONMENT

  SHEEPFS_SHEEP  sheep to talk to when no option says so: HOST:PORT[,HOST:PORT]...
  SHEEPFS_LOG    least important messages that are logged: error, warn, info (default) or debug

EXIT CODES

  0 done   1 refused   2 cluster trouble   3 exists   4 full   5 missing   64 wrong command line
  6 something was found by a check   130 interrupted`;

function finish(usage: string, examples: string): string {
  const text = `${usage.trimEnd()}\n\nEXAMPLES\n\n${examples}\n`;
  // citty colours without looking where the text goes.
  return process.stdout.isTTY ? text : Bun.stripANSI(text);
}
