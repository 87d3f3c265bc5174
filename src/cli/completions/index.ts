import type { Command, CommandGroup, CommandLoaders } from "../command.ts";
import { printOutput } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { gatewaysOf, sheep } from "../vdi/common.ts";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { type CompletedCommand, completedCommands } from "./model.ts";
import { zshScript } from "./zsh.ts";

/** One shell, where its script goes, and what makes it. */
interface Shell {
  readonly name: string;
  readonly examples: string;
  readonly script: (commands: readonly CompletedCommand[]) => string;
}

const words: Command = {
  meta: {
    name: "sheepfs completions words",
    description: "Print the names that a word can be, for the scripts",
  },
  args: {
    kind: { type: "positional", description: "vdi, snapshot, any or path", required: true },
    beginning: { type: "positional", description: "of the word", required: false },
    sheep,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs completions words snapshot
      NAME@TAG of every snapshot; nothing, and no error, when the cluster does not answer at once`,
  run: async (values) => {
    const kind = values.required("kind");
    const { clusterWords, isWordKind } = await import("../../app/verbs/words.ts");
    if (!isWordKind(kind)) {
      throw new UsageError(`KIND: '${kind}' is not vdi, snapshot, any or path`);
    }
    const beginning = values.text("beginning") ?? "";
    const found = await clusterWords({ gateways: gatewaysOf(values), kind, beginning });
    await printOutput(found.map((word) => `${word}\n`).join(""));
  },
};

const shells: readonly Shell[] = [
  {
    name: "bash",
    examples: `  sheepfs completions bash > /etc/bash_completion.d/sheepfs
      for every user; for yourself: source <(sheepfs completions bash) in ~/.bashrc`,
    script: bashScript,
  },
  {
    name: "zsh",
    examples: `  sheepfs completions zsh > /usr/local/share/zsh/site-functions/_sheepfs
      for every user; for yourself: source <(sheepfs completions zsh) after compinit in ~/.zshrc`,
    script: zshScript,
  },
  {
    name: "fish",
    examples: `  sheepfs completions fish > /etc/fish/completions/sheepfs.fish
      for every user; for yourself: ~/.config/fish/completions/sheepfs.fish`,
    script: fishScript,
  },
];

/** @param loaders of all commands, also of these */
export function completionsCommands(loaders: CommandLoaders): CommandGroup {
  const prints = ({ name, examples, script }: Shell): [string, Command] => [
    name,
    {
      meta: { name: `sheepfs completions ${name}`, description: `Print the script for ${name}` },
      args: {},
      repeatable: [],
      examples,
      run: async () => printOutput(script(await completedCommands(loaders))),
    },
  ];
  return {
    meta: { name: "sheepfs completions", description: "Print scripts with which shells complete" },
    commands: { ...Object.fromEntries(shells.map(prints)), words },
    examples: `  source <(sheepfs completions bash)
      commands, options, and names of VDIs and snapshots of the cluster are completed from then on`,
  };
}
