import { Job, type JobResult, requireCommand } from "../../lib/container/job.ts";
import { escapeControls } from "../../lib/quote.ts";
import type { NodeRequest } from "../../lib/container/spec.ts";
import { readSpecFile } from "../../lib/container/spec_file.ts";
import type { Context } from "../context.ts";
import { EndingSignals } from "../ending_signals.ts";
import { printPlan } from "../print_plan.ts";
import { relocate } from "../relocate.ts";
import type { JobFlags } from "./command.ts";
import { JobOutput } from "./output.ts";

/** Runs the programs of a specification in its containers, as one job. */
export default async function job(this: Context, flags: JobFlags, file: string): Promise<void> {
  const { request, locate } = readSpecFile(file);
  requireCommand(request);
  if (flags.dryRun) return printJob(this, await relocate(locate, async () => (await this.node()).plan(request)), request, flags.json);
  // Making containers looks for what dead commands left behind, under its lock.
  const node = await this.unrecoveredNode();

  const commandCount = request.containers.filter(({ command }) => command !== undefined).length;
  const isAlone = commandCount === 1;
  const output = new JobOutput({ isPrefixed: flags.prefix ?? !isAlone, hasInput: isAlone, outputFd: flags.json ? 2 : 1 });
  const job = new Job(node, {
    graceMs: flags.grace * 1000,
    keepGoing: flags.keepGoing,
    stdioOf: (container) => output.stdioOf(container),
    onEnd: (result) => sayEnd(this, result, isAlone),
  });
  using _signals = new EndingSignals(node.kernel, (signal, isTyped) => job.end(signal, isTyped));
  try {
    const { results, exitCode, left } = await relocate(locate, () => job.run(request));
    await output[Symbol.asyncDispose]();
    for (const { step, found } of left) this.say(`nodeos: ${step.what} is still ${found}, not ${step.from}; run "nodeos restore"`);
    if (flags.json) this.json({ job: Deno.pid, exitCode, results });
    this.process.exitCode = exitCode;
  } finally {
    await output[Symbol.asyncDispose]();
  }
}

/** Says which one failed, where the exit status alone does not. */
function sayEnd(context: Context, { container, code, signal }: JobResult, isAlone: boolean): void {
  if (code === 0 || isAlone) return;
  context.say(`nodeos: the program of ${container} ${signal > 0 ? `was ended by signal ${signal}` : `ended with status ${code}`}`);
}

function printJob(context: Context, plans: Parameters<typeof printPlan>[1], { containers }: NodeRequest, json: boolean): void {
  printPlan(context, plans, json);
  if (json) return;
  context.print("# programs");
  for (const { name, command } of containers) if (command !== undefined) context.print(`in ${name}: ${command.map(word).join(" ")}`);
}

/** A word as a shell would take it, if it is a plain one. */
function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : escapeControls(JSON.stringify(text));
}
