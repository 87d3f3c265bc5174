import type { CompletedCommand, CompletedOption, WordKind } from "./model.ts";

/** A script for fish 3. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const valued = commands.flatMap(({ options }) => options.filter(({ value }) => value !== null));
  const flags = [...new Set(valued.flatMap((option) => option.flags))];
  return `# Completion of sheepfs for fish: sheepfs completions fish | source

${functions.replace("VALUED", flags.join(" "))}
complete -c sheepfs -f
${commands.flatMap(commandLines).join("\n")}
`;
}

const functions = `# Whether the line so far is that command, with so many arguments behind it; -1: however many.
function __sheepfs_at --argument-names wanted
    set -l tokens (commandline -opc)[2..-1]
    for word in $argv[2..-1]
        test "$tokens[1]" = "$word"; or return 1
        set -e tokens[1]
    end
    test $wanted -lt 0; and return 0
    set -l count 0
    set -l value 0
    for token in $tokens
        if test $value = 1
            set value 0
        else if string match -q -- '-*' $token
            contains -- $token VALUED; and set value 1
        else
            set count (math $count + 1)
        end
    end
    test $count -eq $wanted
end

# Names that the cluster knows; nothing when it does not answer at once.
function __sheepfs_words --argument-names kind
    set -l sheep
    set -l tokens (commandline -opc)
    for at in (seq (count $tokens))
        if contains -- $tokens[$at] -s --sheep; and set -q tokens[(math $at + 1)]
            set -a sheep -s $tokens[(math $at + 1)]
        else if string match -q -- '--sheep=*' $tokens[$at]
            set -a sheep $tokens[$at]
        end
    end
    sheepfs completions words $kind $sheep -- (string match -r '.+' -- (commandline -ct)) 2>/dev/null
end
`;

function commandLines({
  path,
  subcommands,
  options,
  positionals,
}: CompletedCommand): readonly string[] {
  return [
    ...subcommands.map(
      ({ name, description }) => `${at(path, 0)} -a ${name} -d ${quoted(description)}`,
    ),
    ...positionals.map(({ kind, repeats }, index) => {
      return `${at(path, repeats ? -1 : index)}${answers(kind)}`;
    }),
    ...options.map((option) => optionLine(path, option, subcommands.length > 0)),
  ];
}

function optionLine(path: string, { flags, description, value }: CompletedOption, alone: boolean) {
  const names = flags.map((flag) =>
    flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag[1]}`,
  );
  const only = value?.kind === "file" ? " -r" : " -x";
  const choices = value === null || value.choices.length === 0 ? null : value.choices.join(" ");
  const offered = choices === null ? answers(value?.kind ?? "none") : ` -a ${quoted(choices)}`;
  const takes = value === null ? "" : `${only}${offered}`;
  return `${at(path, alone ? 0 : -1)} ${names.join(" ")}${takes} -d ${quoted(description)}`;
}

function at(path: string, count: number): string {
  return `complete -c sheepfs -n ${quoted(`__sheepfs_at ${count} ${path}`.trimEnd())}`;
}

function answers(kind: WordKind): string {
  if (kind === "none") return "";
  if (kind === "file") return " -F";
  return ` -a ${quoted(kind === "folder" ? "(__fish_complete_directories)" : `(__sheepfs_words ${kind})`)}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
