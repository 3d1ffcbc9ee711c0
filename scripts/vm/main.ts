/**
 * The test bed: boots whole nodes (8 CPUs, 4 NUMA nodes, cgroup v2 only) under several kernels, in emulation, and runs
 * the tests of `tests/vm` there; or, after `--`, any command. What is missing is a reason to skip, said in one line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { build } from "../build.ts";
import { type GuestResult, runGuest } from "./guest.ts";
import { cachedKernel, fetchKernel, type Kernel } from "./kernel.ts";
import { outputText, requireTools, Unavailable } from "./tools.ts";

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const cache = `${root}/build/vm`;
/** Suites whose newest kernel is tried: one that breaks partitions silently, one that has exclusive CPUs and fair servers. */
const suites: readonly string[] = ["bookworm", "trixie-backports"];

const usage = `usage: deno task test:vm [options] [-- program argument...]

Boots guests and runs the tests of tests/vm in them; with a program, that instead.

  --kernel SUITE    kernel of a Debian suite, may be repeated; default ${suites.join(" and ")}
  --refresh         look for newer kernels first
  --required        fail, instead of skipping, when something is missing
  --seconds S       deadline of each guest; default 300
  --append WORDS    more arguments for the kernel
  --out DIR         keep what each guest writes to /out, and its log, in DIR/VERSION

Kernels are kept in build/vm. Exit status: 0 done or skipped, 1 a test failed or a guest died, 2 usage.`;

function parseCommandLine(args: string[]) {
  const parsed = parseArgs({
    args,
    allowPositionals: true,
    options: {
      kernel: { type: "string", multiple: true, default: [...suites] },
      refresh: { type: "boolean", default: false },
      required: { type: "boolean", default: false },
      seconds: { type: "string", default: "300" },
      append: { type: "string", default: "" },
      out: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { seconds } = parsed.values;
  if (!(Number(seconds) > 0)) throw new TypeError(`Cannot use --seconds ${seconds}: it is a number above 0`);
  return parsed;
}

type Options = ReturnType<typeof parseCommandLine>["values"];

async function main({ values, positionals }: ReturnType<typeof parseCommandLine>): Promise<number> {
  if (values.help) {
    console.log(usage);
    return 0;
  }
  requireTools();
  const kernels = await findKernels(values);
  await buildPrograms();
  const isSuite = positionals.length === 0;
  const argv = isSuite ? await prepareTests() : positionals;
  const results = await Promise.all(kernels.map((kernel) => runOn(kernel, argv, values)));
  return results.every(({ code }) => code === 0) ? 0 : isSuite ? 1 : results.find(({ code }) => code !== 0)!.code ?? 1;
}

/** Those that can be had; when only some can, the others are skipped aloud. */
async function findKernels({ kernel: wanted, refresh, required }: Options): Promise<Kernel[]> {
  const kernels: Kernel[] = [];
  for (const suite of wanted) {
    const directory = `${cache}/kernel-${suite}`;
    const known = refresh ? null : cachedKernel(directory);
    if (known === null) say(`fetching the kernel of ${suite}`);
    try {
      kernels.push(known ?? await fetchKernel(suite, directory));
    } catch (error) {
      if (!(error instanceof Unavailable) || required) throw error;
      say(`skipped on the kernel of ${suite}: ${error.message}`);
    }
  }
  if (kernels.length === 0) throw new Unavailable("no kernel can be had");
  return kernels;
}

const here = { cwd: root };

async function buildPrograms(): Promise<void> {
  await build();
  const flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-pthread"];
  await outputText(Deno.env.get("CC") ?? "gcc", [...flags, "-o", `${cache}/probe`, "tests/vm/probe.c"], here);
}

/** Checks and compiles on the host, where that takes a tenth of the time. Returns what the guest runs. */
async function prepareTests(): Promise<string[]> {
  const names = [...Deno.readDirSync(`${root}/tests/vm`)].map(({ name }) => name).filter((name) => name.endsWith("_test.ts")).sort();
  const tests = names.map((name) => `tests/vm/${name}`);
  for (const command of ["check", "cache"]) await outputText(Deno.execPath(), [command, "-q", "scripts/nodeos.ts", ...tests], here);
  return [Deno.execPath(), "test", "--no-check", "--cached-only", "-A", ...tests];
}

async function runOn(kernel: Kernel, argv: readonly string[], { append, seconds, out }: Options): Promise<GuestResult> {
  const version = /^\d+\.\d+/.exec(kernel.release)?.[0] ?? kernel.release;
  const outDirectory = out === undefined ? Deno.makeTempDirSync({ dir: cache, prefix: `guest-${version}-` }) : `${out}/${version}`;
  Deno.mkdirSync(outDirectory, { recursive: true });
  try {
    const result = await runGuest({
      kernel,
      argv,
      cwd: root,
      env: { ...inherited("PATH", "HOME", "DENO_DIR"), TERM: "dumb", NO_COLOR: "1", NODEOS_GUEST: "1" },
      cpuCount: 8,
      nodeCount: 4,
      memoryMib: 4096,
      kernelArguments: append.split(" ").filter(Boolean),
      deadlineMs: Number(seconds) * 1000,
      outDirectory,
      onLine: (line) => console.log(`${version} | ${line}`),
    });
    if (result.problem) say(`the guest with ${kernel.release} ended without a status: ${result.problem}`);
    else say(`${kernel.release}: status ${result.code}, ready after ${duration(result.readyMs)}, ${duration(result.wallMs)} in all`);
    return result;
  } finally {
    if (out === undefined) Deno.removeSync(outDirectory, { recursive: true });
  }
}

function inherited(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

function duration(ms: number | null): string {
  return ms === null ? "?" : `${(ms / 1000).toFixed(1)} s`;
}

function say(text: string): void {
  console.error(`test:vm: ${text}`);
}

let isRequired = false;
try {
  const commandLine = parseCommandLine(Deno.args);
  isRequired = commandLine.values.required;
  Deno.exit(await main(commandLine));
} catch (error) {
  const isSkip = error instanceof Unavailable && !isRequired;
  say(`${isSkip ? "skipped: " : ""}${error instanceof Error ? error.message : error}`);
  Deno.exit(isSkip ? 0 : error instanceof TypeError ? 2 : 1);
}
