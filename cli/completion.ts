import { Argument, type Command, Command as NewCommand } from "commander";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** One row per shell: its script for the words that may follow each command. Files are completed where nothing else fits. */
const SCRIPTS: Readonly<Record<Shell, (words: ReadonlyMap<string, readonly string[]>) => string>> = {
  bash: (words) => `_dojo_relay() {
  local path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do [[ $word == -* ]] || path="$path $word"; done
  case "\${path# }" in
${arms(words, (names) => `words="${names.join(" ")}"`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _dojo_relay dojo-relay`,
  zsh: (words) => `#compdef dojo-relay
_dojo_relay() {
  local -a path names
  path=(\${\${words[2,CURRENT-1]}:#-*})
  case "\${path[*]}" in
${arms(words, (names) => `names=(${names.join(" ")})`)}
  esac
  compadd -- $names || _files
}
compdef _dojo_relay dojo-relay`,
  fish: (words) =>
    [...words]
      .flatMap(([path, names]) => {
        const said =
          path === ""
            ? "__fish_use_subcommand"
            : path
                .split(" ")
                .map((word) => `__fish_seen_subcommand_from ${word}`)
                .join("; and ");
        return names.map(
          (name) =>
            `complete -c dojo-relay -n '${said}' ${name.startsWith("--") ? `-l ${name.slice(2)}` : `-f -a ${name}`}`,
        );
      })
      .join("\n"),
};

/** `dojo-relay completion SHELL`: a script generated from the commands. */
export function completionCommand(): Command {
  return new NewCommand("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .addHelpText("after", HELP)
    .action((shell: Shell, _options: unknown, command: Command) => {
      const root = command.parent ?? command;
      process.stdout.write(`${SCRIPTS[shell](new Map(wordsOf(root, [])))}\n`);
    });
}

const HELP = `
Examples:
  $ source <(dojo-relay completion bash)
  $ dojo-relay completion zsh > "\${fpath[1]}/_dojo-relay"
  $ dojo-relay completion fish > ~/.config/fish/completions/dojo-relay.fish`;

/** For each command, by its words: the subcommands and options that may follow. */
function wordsOf(command: Command, path: readonly string[]): [string, string[]][] {
  const visible = command.commands.filter((sub) => sub.name() !== "help");
  const options = command.options.flatMap(({ long }) => long ?? []);
  const own: [string, string[]] = [path.join(" "), [...visible.map((sub) => sub.name()), ...options, "--help"]];
  return [own, ...visible.flatMap((sub) => wordsOf(sub, [...path, sub.name()]))];
}

/** The arms of a shell's \`case\`; arguments may follow a command's own words, so the longest come first. */
function arms(words: ReadonlyMap<string, readonly string[]>, body: (names: readonly string[]) => string): string {
  return [...words]
    .sort(([a], [b]) => b.length - a.length)
    .map(([path, names]) => `    ${path === "" ? '""' : `"${path}"*`}) ${body(names)} ;;`)
    .join("\n");
}
