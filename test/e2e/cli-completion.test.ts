import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { program } from "../../cli/main.ts";

const CLI = fileURLToPath(new URL("../../cli/dojo-relay.mjs", import.meta.url));
const scripts = new Map<string, string>();
function script(shell: string): string {
  const known = scripts.get(shell) ?? execFileSync(process.execPath, [CLI, "completion", shell], { encoding: "utf8" });
  scripts.set(shell, known);
  return known;
}
const subcommands = program().commands.map((command) => command.name());
const has = (shell: string) => spawnSync(shell, ["--version"]).status === 0;

/** The completions of bash after these words. */
function complete(...words: string[]): string[] {
  const ask = `COMP_WORDS=(${["dojo-relay", ...words].map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; _dojo_relay; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", `${script("bash")}\n${ask}`], { encoding: "utf8" })
    .trim()
    .split("\n");
}

describe("completion", () => {
  it.each(["bash", "zsh", "fish"])("%s knows every subcommand", (shell) => {
    for (const name of subcommands) expect(script(shell)).toContain(name);
  });
  it.each(["bash", "zsh", "fish"].filter(has))("%s accepts the script", (shell) => {
    expect(spawnSync(shell, ["-n"], { input: script(shell), encoding: "utf8" })).toMatchObject({
      status: 0,
      stderr: "",
    });
  });
  it.runIf(has("bash"))("offers subcommands, their subcommands, and options", () => {
    expect(complete("")).toEqual(expect.arrayContaining(subcommands));
    expect(complete("d")).toEqual(expect.arrayContaining(["dlq", "doctor"]));
    expect(complete("dlq", "re")).toEqual(["redrive"]);
    expect(complete("upload", "--pr")).toEqual(["--product", "--product-type", "--prefix"]);
  });
  it("rejects an unknown shell and lists the supported ones", () => {
    const { status, stderr } = spawnSync(process.execPath, [CLI, "completion", "csh"], { encoding: "utf8" });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/Allowed choices are bash, zsh, fish/)]);
  });
});

describe("help", () => {
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
  const named = program()
    .commands.flatMap(all)
    .map((command) => [command.name(), command] as const);
  it.each(named)("%s has examples", (_, command) => {
    let help = "";
    command.configureOutput({
      writeOut: (text) => {
        help += text;
      },
    });
    command.outputHelp();
    expect(help).toMatch(/Examples?:\n {2}\$ /);
  });
});
