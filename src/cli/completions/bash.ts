import type { CompletedCommand, CompletedOption } from "./model.ts";

/**
 * A script for bash 4. It cuts the line by itself: readline takes `@`, `:` and `=` for ends of words,
 * which names and addresses are full of, so what is before the last of them is taken off the answers.
 */
export function bashScript(commands: readonly CompletedCommand[]): string {
  return `# Completion of sheepfs for bash: source <(sheepfs completions bash)

_sheepfs_subcommands() {
  case "$1" in
${rows(commands, ({ subcommands }) => subcommands.map(({ name }) => name))}
  esac
}

_sheepfs_options() {
  case "$1" in
${rows(commands, ({ options }) => options.flatMap(({ flags }) => flags))}
  esac
}

# What the value of an option is; nothing for a flag without one.
_sheepfs_value() {
  case "$1 $2" in
${commands.flatMap(({ path, options }) => options.flatMap((one) => valueRow(path, one))).join("\n")}
  esac
}

_sheepfs_positional() {
  case "$1 $2" in
${commands
  .flatMap(({ path, positionals }) =>
    positionals.map(({ kind, repeats }, at) => {
      return `    "${path} ${repeats ? '"*' : `${at}"`}) echo ${kind} ;;`;
    }),
  )
  .join("\n")}
  esac
}

_sheepfs_is_in() {
  local one
  for one in $2; do [[ $one == "$1" ]] && return 0; done
  return 1
}

${body}`;
}

function rows(
  commands: readonly CompletedCommand[],
  words: (command: CompletedCommand) => readonly string[],
): string {
  return commands
    .filter((command) => words(command).length > 0)
    .map((command) => `    "${command.path}") echo "${words(command).join(" ")}" ;;`)
    .join("\n");
}

function valueRow(path: string, { flags, value }: CompletedOption): string[] {
  if (value === null) return [];
  const { kind, choices } = value;
  const what = choices.length > 0 ? `"words ${choices.join(" ")}"` : kind;
  return [`    ${flags.map((flag) => `"${path} ${flag}"`).join("|")}) echo ${what} ;;`];
}

const body = `_sheepfs() {
  local line=\${COMP_LINE:0:COMP_POINT} path= value= word cur kind at=0 i
  local -a words sheep answers
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur=\${words[\${#words[@]}-1]}
  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    word=\${words[i]}
    if [[ -n $value ]]; then
      [[ $value == *-s* ]] && sheep+=(-s "$word")
      value=
    elif [[ $word == --sheep=* ]]; then
      sheep+=(-s "\${word#*=}")
    elif [[ $word == -* ]]; then
      if [[ $word != *=* && -n $(_sheepfs_value "$path" "$word") ]]; then value=$word; fi
    elif ((at == 0)) && _sheepfs_is_in "$word" "$(_sheepfs_subcommands "$path")"; then
      path=\${path:+$path }$word
    else
      ((at += 1))
    fi
  done
  if [[ -n $value ]]; then
    kind=$(_sheepfs_value "$path" "$value")
  elif [[ $cur == --*=* ]]; then
    kind=$(_sheepfs_value "$path" "\${cur%%=*}")
    cur=\${cur#*=}
  elif [[ $cur == -* ]]; then
    kind=options
  elif [[ -n $(_sheepfs_subcommands "$path") ]]; then
    kind=subcommands
  else
    kind=$(_sheepfs_positional "$path" "$at")
  fi
  case "$kind" in
    options) mapfile -t answers < <(compgen -W "$(_sheepfs_options "$path")" -- "$cur") ;;
    subcommands) mapfile -t answers < <(compgen -W "$(_sheepfs_subcommands "$path")" -- "$cur") ;;
    words\\ *) mapfile -t answers < <(compgen -W "\${kind#words }" -- "$cur") ;;
    file) compopt -o filenames; mapfile -t answers < <(compgen -f -- "$cur") ;;
    folder) compopt -o filenames; mapfile -t answers < <(compgen -d -- "$cur") ;;
    vdi|snapshot|any|path)
      while IFS= read -r word; do
        [[ $word == "$cur"* ]] && answers+=("$(printf %q "$word")")
      done < <(sheepfs completions words "$kind" "\${sheep[@]}" -- \${cur:+"$cur"} 2>/dev/null)
      ;;
  esac
  [[ $kind == path && \${answers[0]} == */ ]] && compopt -o nospace
  local before=\${cur%"\${cur##*[@:=]}"}
  [[ $COMP_WORDBREAKS == *@* ]] || before=\${cur%"\${cur##*[:=]}"}
  COMPREPLY=("\${answers[@]#"$before"}")
}

complete -F _sheepfs sheepfs
`;
