import { CapturedRoot } from "../../ffi/captured_root.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { libraryPath, variable } from "../../ffi/library.ts";
import { readSpecFile } from "../../lib/container/spec_file.ts";
import { NoSuchObjectError, RefusedError, UsageError } from "../../lib/errors.ts";
import { type Check, examine, missing, type Probes } from "../../lib/kernel/doctor.ts";
import type { Context } from "../context.ts";
import { relocate } from "../relocate.ts";
import { adviseBoot, renderBoot } from "./boot.ts";
import type { Flags } from "./command.ts";
import { findCompiler, liveProbes, mute } from "./probes.ts";
import { render } from "./render.ts";

/** Prints what a machine offers; refuses when it lacks what a plain run needs. With `boot`, prints the kernel arguments for it. */
export default async function doctor(this: Context, { boot, input, json, quiet }: Flags): Promise<void> {
  if (boot !== undefined) return await advise(this, boot, { input, json, quiet });
  const checks = input === undefined ? await examineThis(this) : examine(openCapture(input), mute());
  const lacking = missing(checks);
  if (json) {
    this.json({
      runnable: lacking.length === 0,
      missing: lacking.map(({ id }) => id),
      checks: quiet ? checks.filter(({ status }) => status !== "yes") : checks,
    });
  } else {
    this.print(render(checks, { colour: wantsColour(), quiet }));
  }
  const where = input === undefined ? "here" : "there, as far as its capture shows";
  if (lacking.length === 0) return this.say(`A plain nodeos run can work ${where}.`);
  const facts = lacking.map(({ title, found }) => `${title}: ${found}`).join("; ");
  throw new RefusedError(`Cannot run containers ${input === undefined ? "here" : "there"}: ${facts}`, {
    remedy: lacking[0].fix ?? undefined,
  });
}

async function advise(context: Context, path: string, { input, json, quiet }: Flags): Promise<void> {
  const located = readSpecFile(path);
  const files = input === undefined ? await context.kernel() : openCapture(input);
  const advice = await relocate(located.locate, () => adviseBoot(files, located));
  const shown = quiet ? advice.arguments.filter(({ status }) => status !== "active") : advice.arguments;
  if (json) context.json({ ...advice, arguments: shown });
  else context.print(renderBoot(advice, { colour: wantsColour(), quiet }));
}

async function examineThis(context: Context): Promise<Check[]> {
  let machine: [KernelFiles | null, Probes];
  try {
    machine = [await context.kernel(), liveProbes()];
  } catch (error) {
    // Whatever keeps the library from loading is the finding; what would be read through it stays out.
    const problem = (error instanceof Error ? error.message : String(error)).split(/\n|; /)[0];
    context.say("Without the native library nothing else can be looked at: the kernel's files are read through it.");
    machine = [null, mute({ path: libraryPath(), problem }, findCompiler())];
  }
  return examine(...machine);
}

function openCapture(directory: string): CapturedRoot {
  const base = directory.replace(/\/+$/, "");
  if (!isDirectory(base)) throw new NoSuchObjectError(`Cannot examine ${directory}: there is no such directory`);
  if (!isDirectory(`${base}/proc`) && !isDirectory(`${base}/sys`)) {
    throw new UsageError(`Cannot examine ${directory}: it holds no captured machine, neither proc/ nor sys/`, {
      remedy: "Capture one: nodeos topo --capture DIR",
    });
  }
  return new CapturedRoot(base);
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

function wantsColour(): boolean {
  return !variable("NO_COLOR") && Deno.stdout.isTerminal();
}
