/**
 * The test bed: boots whole nodes of several variants (`variant.ts`) under several kernels, in emulation, and runs the
 * tests of `tests/vm` there; or, after `--`, any command. What is missing is a reason to skip, said in one line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { atMost, type Boot, findTests, planBoots } from "./boots.ts";
import { type GuestResult, runGuest } from "./guest.ts";
import { cachedKernel, fetchKernel, type Kernel } from "./kernel.ts";
import { buildPrograms, cache, clockArgument, prepareTests, root } from "./prepare.ts";
import { requireTools, Unavailable } from "./tools.ts";
import { requireVariant, type Variant, variantOf, variants } from "./variant.ts";

/** Suites whose newest kernel is tried: one that breaks partitions silently, one that has exclusive CPUs and fair servers. */
const suites: readonly string[] = ["bookworm", "trixie-backports"];
/** Guests that run at a time: each keeps one core of the host busy. */
const guestsMax = 2;

const usage = `usage: deno task test:vm [options] [-- program argument...]

Boots guests and runs the tests of tests/vm in them; with a program, that instead.

  --variant NAME    kind of guest, may be repeated; default: all that have tests, and standard for a program
  --kernel SUITE    kernel of a Debian suite, may be repeated; default ${suites.join(" and ")}
  --only PATTERN    only the test files whose path contains PATTERN
  --refresh         look for newer kernels first
  --required        fail, instead of skipping, when something is missing
  --seconds S       deadline of each guest; default 2400
  --append WORDS    more arguments for the kernel
  --out DIR         keep what each guest writes to /out, and its log, in DIR/VERSION or DIR/VERSION-VARIANT

Variants; the tests of standard are tests/vm/*_test.ts, those of NAME are tests/vm/NAME/*_test.ts:

${variants.map(({ name, doc }) => `  ${name.padEnd(18)}${doc}`).join("\n")}

Kernels are kept in build/vm. Exit status: 0 done or skipped, 1 a test failed or a guest died, 2 usage.`;

function parseCommandLine(args: string[]) {
  const parsed = parseArgs({
    args,
    allowPositionals: true,
    options: {
      variant: { type: "string", multiple: true },
      kernel: { type: "string", multiple: true, default: [...suites] },
      only: { type: "string", default: "" },
      refresh: { type: "boolean", default: false },
      required: { type: "boolean", default: false },
      seconds: { type: "string", default: "2400" },
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
  const isSuite = positionals.length === 0;
  const tests = isSuite ? findTests(root, values.only) : new Map<string, string[]>([["standard", []]]);
  const chosen = chooseVariants(values, tests, isSuite);
  requireTools();
  const usable = usableVariants(chosen, values);
  const { boots, skips } = planBoots(await findKernels(values), usable, tests);
  for (const skip of skips) say(`skipped ${skip}`);
  if (boots.length === 0) throw new Unavailable("no guest is left to boot");
  await buildPrograms();
  if (isSuite) await prepareTests(boots.flatMap(({ tests }) => tests));
  const kernelArguments = [await clockArgument(), ...values.append.split(" ").filter(Boolean)];
  const results = await atMost(
    guestsMax,
    boots,
    (boot) => runOn(boot, isSuite ? testCommand(boot.tests) : positionals, kernelArguments, values),
  );
  return results.every(({ code }) => code === 0) ? 0 : isSuite ? 1 : results.find(({ code }) => code !== 0)!.code ?? 1;
}

/** Those that are asked for, or else all that have something to run. */
function chooseVariants({ variant: names, only }: Options, tests: ReadonlyMap<string, unknown>, isSuite: boolean): Variant[] {
  const chosen = names === undefined ? variants.filter(({ name }) => tests.has(name)) : [...new Set(names)].map(variantOf);
  const ready = chosen.filter(({ name }) => !isSuite || tests.has(name));
  if (ready.length > 0 && ready.length === chosen.length) return ready;
  const where = (names ?? ["standard"]).map((name) => name === "standard" ? "tests/vm" : `tests/vm/${name}`).join(", ");
  throw new TypeError(`Cannot run the tests of ${where}: no test file there${only === "" ? "" : ` has ${only} in its path`}`);
}

/** Those that this host can boot; the others are skipped aloud. */
function usableVariants(chosen: readonly Variant[], { required }: Options): Variant[] {
  return chosen.filter((variant) => {
    try {
      requireVariant(variant);
      return true;
    } catch (error) {
      if (!(error instanceof Unavailable) || required) throw error;
      say(`skipped ${variant.name}: ${error.message}`);
      return false;
    }
  });
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

function testCommand(tests: readonly string[]): string[] {
  return [Deno.execPath(), "test", "--no-check", "--cached-only", "-A", ...tests];
}

async function runOn(
  { kernel, variant }: Boot,
  argv: readonly string[],
  kernelArguments: readonly string[],
  { seconds, out }: Options,
): Promise<GuestResult> {
  const version = /^\d+\.\d+/.exec(kernel.release)?.[0] ?? kernel.release;
  const name = variant.name === "standard" ? version : `${version}-${variant.name}`;
  const outDirectory = out === undefined ? Deno.makeTempDirSync({ dir: cache, prefix: `guest-${name}-` }) : `${out}/${name}`;
  Deno.mkdirSync(outDirectory, { recursive: true });
  try {
    const result = await runGuest({
      kernel,
      variant,
      argv,
      cwd: root,
      env: {
        ...inherited("PATH", "HOME", "DENO_DIR", "NODEOS_MEMORY_ROUNDS", "NODEOS_MEMORY_SEED", "NODEOS_TOGGLES"),
        TERM: "dumb",
        NO_COLOR: "1",
        NODEOS_GUEST: "1",
        NODEOS_VARIANT: variant.name,
      },
      memoryMib: 4096,
      kernelArguments,
      deadlineMs: Number(seconds) * 1000,
      outDirectory,
      onLine: (line) => console.log(`${name} | ${line}`),
    });
    if (result.problem) say(`${name}: the guest with ${kernel.release} ended without a status: ${result.problem}`);
    else {say(
        `${name}: ${kernel.release}, status ${result.code}, ready after ${duration(result.readyMs)}, ${duration(result.wallMs)} in all`,
      );}
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
