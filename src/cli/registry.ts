import type { Command, CommandLoaders } from "./command.ts";

/** Every command by the word that starts it; each is loaded when it is asked for. */
export const commandLoaders: CommandLoaders = {
  mount: async () => (await import("./mount.ts")).mountCommand,
  umount: async () => (await import("./umount.ts")).umountCommand,
  upgrade: async () => (await import("./upgrade.ts")).upgradeCommand,
  serve: async () => (await import("./serve.ts")).serveCommand,
  sheep: async () => (await import("./sheep.ts")).sheepCommand,
  vdi: async () => (await import("./vdi/index.ts")).vdiCommands,
  cluster: async () => (await import("./cluster.ts")).clusterCommands,
  node: async () => (await import("./cluster.ts")).nodeCommands,
  ls: async () => (await import("./tree/ls.ts")).ls,
  cat: async () => (await import("./tree/cat.ts")).cat,
  write: async () => (await import("./tree/write.ts")).write,
  stat: async () => (await import("./tree/stat.ts")).stat,
  completions: async () =>
    (await import("./completions/index.ts")).completionsCommands(commandLoaders),
  man: async () => (await import("./man.ts")).manCommand(commandLoaders),
};

/** `sheepfs [-a ADDR] … MOUNTPOINT`: what runs when no command is named. */
export async function loadLegacyCommand(): Promise<Command> {
  return (await import("./legacy.ts")).legacyCommand;
}
