import type { CompletedCommand, CompletedOption, WordKind } from "./model.ts";

/** A script for zsh, to be saved as `_sheepfs` in a folder of `$fpath`, or sourced. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef sheepfs
# Completion of sheepfs for zsh: sheepfs completions zsh > "\${fpath[1]}/_sheepfs"

${names}

${commands.map(commandFunction).join("\n\n")}

if [[ $funcstack[1] == _sheepfs ]]; then
  _sheepfs "$@"
else
  compdef _sheepfs sheepfs
fi
`;
}

const names = `# Names that the cluster knows; nothing when it does not answer at once.
_sheepfs_words() {
  local -a answers sheep typed
  local one
  for one in "\${(@v)opt_args[(I)-s|--sheep]}"; do sheep+=(-s "\${one//\\\\:/:}"); done
  [[ -n $PREFIX ]] && typed=("$PREFIX")
  answers=("\${(@f)$(sheepfs completions words $1 $sheep -- $typed 2>/dev/null)}")
  answers=("\${(@)answers:#}")
  if [[ $1 == path ]]; then
    compadd -S '' -a answers
  else
    compadd -a answers
  fi
}`;

function commandFunction({ path, subcommands, options, positionals }: CompletedCommand): string {
  const name = functionOf(path);
  if (subcommands.length === 0) {
    const rows = [...options.flatMap(optionRows), ...positionals.map(positionalRow)];
    return `${name}() {\n  _arguments -s -S \\\n${rows.map((row) => `    ${row}`).join(" \\\n")}\n}`;
  }
  const list = subcommands.map((one) => `      ${quoted(`${one.name}:${one.description}`)}`);
  const cases = subcommands.map((one) => {
    return `        ${one.name}) ${functionOf(path === "" ? one.name : `${path} ${one.name}`)} ;;`;
  });
  return `${name}() {
  local context state state_descr line curcontext="$curcontext"
  typeset -A opt_args
  local -a commands
  _arguments -C \\
${options
  .flatMap(optionRows)
  .map((row) => `    ${row} \\`)
  .join("\n")}
    '1:command:->command' '*::argument:->arguments'
  case $state in
    command)
      commands=(
${list.join("\n")}
      )
      _describe command commands
      ;;
    arguments)
      case $words[1] in
${cases.join("\n")}
      esac
      ;;
  esac
}`;
}

function functionOf(path: string): string {
  return ["_sheepfs", ...path.split(" ")].filter((word) => word !== "").join("_");
}

function optionRows({ flags, description, value, repeatable }: CompletedOption): string[] {
  const others = repeatable ? "*" : `(${flags.join(" ")})`;
  return flags.map((flag) => {
    const long = flag.startsWith("--");
    const takes = value === null ? "" : long ? "=" : "+";
    const text = `${others}${flag}${takes}[${inBrackets(description)}]`;
    if (value === null) return quoted(text);
    const { hint, kind, choices } = value;
    const offered = choices.length > 0 ? `(${choices.join(" ")})` : action(kind);
    return quoted(`${text}:${escaped(hint)}:${offered}`);
  });
}

function positionalRow(
  { name, kind, repeats }: CompletedCommand["positionals"][number],
  at: number,
): string {
  return quoted(`${repeats ? "*" : at + 1}:${escaped(name)}:${action(kind)}`);
}

function action(kind: WordKind): string {
  if (kind === "none") return " ";
  if (kind === "file") return "_files";
  return kind === "folder" ? "_files -/" : `{_sheepfs_words ${kind}}`;
}

function escaped(text: string): string {
  return text.replace(/[:\\]/g, "\\$&");
}

function inBrackets(text: string): string {
  return text.replace(/[[\]\\:]/g, "\\$&");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
