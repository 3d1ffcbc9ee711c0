import { parseArgs } from "node:util";
import { didYouMean, UsageError } from "../../lib/errors.ts";
import { type Mode, modes } from "./mode.ts";

/** What the command line says. */
export interface Options {
  /** The suites, by name. */
  readonly suites: readonly string[];
  /** Words of the command that runs a program with calls forwarded, with places for the mode. */
  readonly prefix: readonly string[];
  /** What is forwarded, one comparison for each. */
  readonly modes: readonly Mode[];
  /** Runs without the prefix, and nothing else: how often each entry. */
  readonly nativeRounds: number | null;
  /** Entries whose names match. */
  readonly only: RegExp;
  /** Entries that change the machine, too. */
  readonly all: boolean;
  /** A run that takes longer is ended. */
  readonly limitMs: number;
  /** How often an entry that differs is run again. */
  readonly repeats: number;
  /** The file that keeps every run. */
  readonly record: string | null;
  /** Parent of the directories that the runs have. */
  readonly directory: string;
  /** Where the output of strange runs is kept. */
  readonly output: string | null;
  /** One JSON document instead of tables. */
  readonly json: boolean;
  /** Names of the entries, and nothing else. */
  readonly list: boolean;
  /** The usage, and nothing else. */
  readonly help: boolean;
}

/** The suites, and the variable that names the directory of each. */
export const suiteVariables: Readonly<Record<string, string>> = { ltp: "NODEOS_LTP", pjdfstest: "NODEOS_PJDFSTEST" };

/**
 * The command of a checkout, with places for the mode. It needs no container: one has fewer CPUs, and the difference that
 * those make is not the one that we look for.
 */
export function defaultPrefix(checkout: string): string[] {
  return [Deno.execPath(), "run", "-q", "-A", `${checkout}tests/suites/forwarded.ts`, "full,{switches}", "--"];
}

/** What `--help` prints. */
export const usage = `usage: deno run -A tests/suites/main.ts [ltp] [pjdfstest] [options]

Runs suites that others wrote, each entry natively and with its system calls forwarded, and prints where they end
differently. NODEOS_LTP names the directory that the Linux Test Project was installed to, NODEOS_PJDFSTEST the one that
pjdfstest was built in; what is not named is skipped.

  --prefix WORDS    command that runs a program with calls forwarded; {switches} in it becomes the mode's switches
                    (@path=forward,@fd=forward), {groups} its groups (path,fd). Default: forwarded.ts, beside this file;
                    "nodeos run --syscalls full,{switches} --" runs each entry in a container of its own
  --mode MODE       ${Object.keys(modes).join(" or ")}, may be repeated; default: both
  --native [N]      only run natively, until each entry has run N times; default 1
  --only PATTERN    only entries whose names match this regular expression
  --all             also entries that change the machine: clock, swap, users, parameters of the kernel
  --limit S         seconds after which a run is ended; default 180
  --repeats N       how often an entry that differs is run again on both sides; default 3
  --record FILE     keep every run in FILE, and go on from what is there; without native runs in it they are made
  --directory DIR   where the runs have their directories; the file system is what is tested; default: a temporary one
  --output DIR      keep what strange runs write in DIR
  --list            print the names of the entries
  --json            print one JSON document

Exit status: 0 no difference or skipped, 1 some entry ends differently, 2 usage.`;

/**
 * Parses the command line.
 *
 * @throws {UsageError} If it is wrong.
 */
export function readOptions(args: readonly string[], checkout: string): Options {
  const { values, positionals } = parse(args);
  const mode = oneOf("mode", values.mode ?? Object.keys(modes), Object.keys(modes));
  return {
    suites: oneOf("suite", positionals.length === 0 ? Object.keys(suiteVariables) : positionals, Object.keys(suiteVariables)),
    prefix: values.prefix === undefined ? defaultPrefix(checkout) : values.prefix.split(/\s+/).filter(Boolean),
    modes: mode as Mode[],
    nativeRounds: values.native === undefined ? null : count("native", values.native, 1),
    only: new RegExp(values.only),
    all: values.all,
    limitMs: count("limit", values.limit, 1) * 1000,
    repeats: count("repeats", values.repeats, 0),
    record: values.record ?? null,
    directory: values.directory ?? "",
    output: values.output ?? null,
    json: values.json,
    list: values.list,
    help: values.help,
  };
}

function parse(args: readonly string[]) {
  // parseArgs knows no flag whose value may be left out.
  const filled = args.flatMap((word, index) => word === "--native" && !/^\d+$/.test(args[index + 1] ?? "") ? [word, "1"] : [word]);
  try {
    return parseArgs({
      args: filled,
      allowPositionals: true,
      options: {
        prefix: { type: "string" },
        mode: { type: "string", multiple: true },
        native: { type: "string" },
        only: { type: "string", default: "" },
        limit: { type: "string", default: "180" },
        repeats: { type: "string", default: "3" },
        record: { type: "string" },
        directory: { type: "string" },
        output: { type: "string" },
        all: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (cause) {
    throw new UsageError(`Cannot read the command line: ${(cause as Error).message.split(". ")[0]}`, { cause, remedy: "See --help" });
  }
}

function oneOf(what: string, given: readonly string[], known: readonly string[]): readonly string[] {
  const wrong = given.find((word) => !known.includes(word));
  if (wrong === undefined) return given;
  throw new UsageError(`Cannot run the ${what} ${JSON.stringify(wrong)}: there is none${didYouMean(wrong, known)}`, {
    remedy: `There are ${known.join(" and ")}`,
  });
}

function count(flag: string, text: string, min: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= min) return Number(text);
  throw new UsageError(`Cannot use --${flag} ${text}: it is a number from ${min}`);
}
