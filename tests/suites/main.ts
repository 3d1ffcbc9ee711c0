/**
 * Suites that others wrote, natively and with system calls forwarded. They are no part of this checkout, and have to stand
 * ready somewhere:
 *
 * ```sh
 * export NODEOS_LTP=/opt/ltp               # installed: testcases/bin and runtest/syscalls are there
 * export NODEOS_PJDFSTEST=/opt/pjdfstest   # built: pjdfstest and tests are there
 * deno run -A tests/suites/main.ts --help
 * deno run -A tests/suites/main.ts --record runs.jsonl --output strange   # everything; a second time it goes on
 * deno run -A tests/suites/main.ts ltp --only '^open' --mode path --json
 * ```
 *
 * An entry is the same when it ends with the same status, and the same numbers of checks passed, failed, broken and skipped.
 * One that differs is run again and again on both sides. `unstable` varies natively as well. `refused` ends as it does with
 * the filter alone, when all calls go back to the program: io_uring is refused under every profile, and Landlock wherever
 * calls may be forwarded. Needs root; one run of everything takes an hour.
 *
 * @module
 */

import { NodeosError } from "../../lib/errors.ts";
import { table } from "../../lib/report/table.ts";
import { compareEntry, type CompareOptions, type Comparison, runTimes } from "./compare_suite.ts";
import { ltp } from "./ltp.ts";
import { type Mode, prefixFor, prefixOfFilter } from "./mode.ts";
import { defaultPrefix, type Options, readOptions, suiteVariables, usage } from "./options.ts";
import { pjdfstest } from "./pjdfstest.ts";
import { RunRecord } from "./record.ts";
import { describeComparisons, describeTotal, totalOf } from "./report.ts";
import { isFault, isFlaky, outcomes, type Result } from "./result.ts";
import type { Suite } from "./suite.ts";

const checkout = new URL("../../", import.meta.url).pathname;
const openers: Readonly<Record<string, (root: string) => Suite>> = { ltp, pjdfstest };

/** Runs what the options say; the exit status. */
async function main(options: Options): Promise<number> {
  if (options.help) {
    console.log(usage);
    return 0;
  }
  const suites = options.suites.flatMap((name) => openSuite(name, options));
  if (options.list) {
    for (const { name, entries } of suites) for (const entry of entries) console.log(`${name} ${entry.name}`);
    return 0;
  }
  const parent = options.directory === "" ? Deno.makeTempDirSync({ prefix: "nodeos-suites-" }) : Deno.realPathSync(options.directory);
  // The users that the programs turn into go through here.
  Deno.chmodSync(parent, 0o1777);
  const record = new RunRecord(options.record);
  try {
    const documents: unknown[] = [];
    let differ = false;
    for (const suite of suites) {
      const run = { directory: parent, limitMs: options.limitMs, repeats: options.repeats };
      if (options.nativeRounds !== null) {
        documents.push(await runNatively(suite, options.nativeRounds, record, { ...run, prefix: [], filterPrefix: [] }, options.json));
      } else {
        for (const mode of options.modes) {
          const comparisons = await compareMode(suite, mode, record, { ...run, ...forwarding(options, mode) }, options.json);
          documents.push({ suite: suite.name, mode, comparisons });
          differ ||= comparisons.some(({ verdict }) => isFault(verdict));
        }
      }
    }
    if (options.json) console.log(JSON.stringify(documents, null, 2));
    return differ ? 1 : 0;
  } finally {
    if (options.directory === "") Deno.removeSync(parent, { recursive: true });
  }
}

/** The suite, or none and a line that says why. */
function openSuite(name: string, { only, all }: Options): Suite[] {
  const root = Deno.env.get(suiteVariables[name]);
  if (root === undefined || root === "") {
    console.error(`skipped ${name}: ${suiteVariables[name]} names no directory`);
    return [];
  }
  const suite = openers[name](root);
  const entries = suite.entries.filter((entry) => only.test(entry.name));
  const kept = entries.filter((entry) => all || suite.leftOut(entry.name) === null);
  if (kept.length < entries.length) console.error(`${name}: left out ${entries.length - kept.length} entries that change the machine`);
  return [{ ...suite, entries: kept }];
}

function forwarding({ prefix, output }: Options, mode: Mode): Pick<CompareOptions, "prefix" | "filterPrefix" | "onStrange"> {
  const onStrange = (name: string, text: string) => {
    Deno.mkdirSync(output!, { recursive: true });
    Deno.writeTextFileSync(`${output}/${mode}-${name.replaceAll("/", "-")}`, text);
  };
  return {
    prefix: prefixFor(mode, prefix),
    filterPrefix: prefixOfFilter(mode, defaultPrefix(checkout)),
    ...(output === null ? {} : { onStrange }),
  };
}

async function runNatively(suite: Suite, rounds: number, record: RunRecord, options: CompareOptions, quiet: boolean): Promise<unknown> {
  const entries: { name: string; results: Result[] }[] = [];
  for (const entry of suite.entries) entries.push({ name: entry.name, results: await runTimes(suite, entry, rounds, record, options) });
  if (!quiet) {
    for (let round = 0; round < rounds; round++) {
      console.log(`${suite.name}, native, round ${round + 1}: ${describeTotal(totalOf(entries.map(({ results }) => results[round])))}`);
    }
    const rows = entries.filter(({ results }) => isFlaky(results)).map(({ name, results }) => [name, outcomes(results)]);
    if (rows.length > 0) console.log(table([{ title: "FLAKY" }, { title: "NATIVE" }], rows));
  }
  return { suite: suite.name, entries };
}

async function compareMode(suite: Suite, mode: Mode, record: RunRecord, options: CompareOptions, quiet: boolean): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const entry of suite.entries) {
    const comparison = await compareEntry(suite, entry, record, options);
    comparisons.push(comparison);
    if (comparison.verdict !== "same") {
      console.error(`${suite.name} ${mode} ${entry.name}: ${comparison.verdict}: ${outcomes(comparison.forwarded)}`);
    }
  }
  if (!quiet) console.log(`${suite.name}, ${mode}\n${describeComparisons(comparisons)}\n`);
  return comparisons;
}

try {
  Deno.exit(await main(readOptions(Deno.args, checkout)));
} catch (error) {
  if (!(error instanceof NodeosError)) throw error;
  console.error([error.message, ...(error.remedy === undefined ? [] : [error.remedy])].join("\n"));
  Deno.exit(error.exitCode);
}
