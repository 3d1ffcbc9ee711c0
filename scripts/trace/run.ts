import { leaveKeeper, startKeeper, stopKeeper } from "../../ffi/keeper.ts";
import { launch, wait } from "../../ffi/launch.ts";
import { effectiveUid } from "../../ffi/mod.ts";
import { RefusedError } from "../../lib/errors.ts";
import { ownerSelf } from "../../lib/plan/store.ts";
import { table } from "../../lib/report/table.ts";
import { type Architecture, hostArchitecture } from "../../lib/syscall/arch.ts";
import { Board, encodeBoard } from "../../lib/syscall/board.ts";
import { compileFilter } from "../../lib/syscall/filter.ts";
import { resolvePolicy } from "../../lib/syscall/policy.ts";
import {
  type CallUse,
  type CheckedUse,
  checkUses,
  parseRecord,
  type PathUse,
  recordingPolicy,
  usesOf,
  writeProfile,
} from "../../lib/syscall/recorder.ts";
import type { Context } from "../context.ts";
import type { TraceFlags } from "./command.ts";

const rowsShownMax = 15;
/** How long a filter may be seen yet whose last process has ended. */
const endMsMax = 1000;

/** What a run showed. */
interface Recording {
  readonly code: number;
  readonly uses: readonly CallUse[];
  readonly paths: readonly PathUse[];
}

/** Records the calls of a program. */
export default async function trace(this: Context, { output, check, json }: TraceFlags, ...argv: string[]): Promise<void> {
  const architecture = hostArchitecture();
  if (architecture === null) throw new RefusedError("Cannot record system calls: this processor is neither x86-64 nor aarch64");
  if (effectiveUid() !== 0) {
    throw new RefusedError("Cannot record system calls: only root may see those of others", { remedy: "Run as root" });
  }
  const policy = check === undefined ? undefined : resolvePolicy({ profile: check }, architecture);
  if (output !== undefined && output !== "-") checkOutput(output);
  const recording = await record(this, architecture, argv);
  const checked = policy === undefined ? undefined : checkUses(policy, recording.uses);
  const refused = checked?.filter(({ isDenied }) => isDenied) ?? [];

  if (output !== undefined) writeTo(this, output, writeProfile(nameOf(output, argv), argv, recording.uses, architecture));
  if (json) this.json({ program: argv, exitCode: recording.code, calls: checked ?? recording.uses, paths: recording.paths });
  else report(this, recording, check, checked);
  this.process.exitCode = refused.length > 0 ? 1 : recording.code;
}

async function record(context: Context, architecture: Architecture, argv: readonly string[]): Promise<Recording> {
  const policy = recordingPolicy(architecture);
  const directory = `${context.stateDirectory}/trace/${Deno.pid}`;
  const owner = ownerSelf(await context.kernel());
  let goesOn = false;
  try {
    await startKeeper({ directory, board: encodeBoard(policy), owner, record: `${directory}/record` });
    const program = launch({
      argv,
      forwardSignals: true,
      dieWithParent: true,
      filter: { program: compileFilter(policy), control: `${directory}/control.sock` },
    });
    const { code } = wait(program);
    using board = new Board(`${directory}/board`);
    goesOn = await hasPrograms(board);
    if (goesOn) {
      for (const { call, action } of policy.rules) if (action === "record") board.setRule(call.numbers[architecture]!, "allow");
      context.say("nodeos: it left programs that go on, and are not recorded any more");
    }
    return { code, uses: usesOf(board.counters()), paths: parseRecord(textOf(`${directory}/record`), architecture) };
  } finally {
    if (goesOn) leaveKeeper(directory);
    else await stopKeeper(directory);
    removeEmpty(`${context.stateDirectory}/trace`);
  }
}

/** Whether programs run yet under the filter: without a keeper, each of their calls would fail. */
async function hasPrograms(board: Board): Promise<boolean> {
  for (const end = Date.now() + endMsMax; board.state().listeners > 0;) {
    if (Date.now() > end) return true;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return false;
}

/** Another recording may go on beside this one. */
function removeEmpty(directory: string): void {
  try {
    Deno.removeSync(directory);
  } catch {
    // It is gone, or not empty.
  }
}

/** A program that named no path leaves no record. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** The profile is called like its file, or like the program. */
function nameOf(output: string, argv: readonly string[]): string {
  const word = (output === "-" ? argv[0] : output).split("/").at(-1)!.replace(/\.ya?ml$/, "");
  return /^[A-Za-z][A-Za-z0-9_.-]*$/.test(word) ? word : "recorded";
}

/** Refuses a file that cannot be written, before the program has run for hours. */
function checkOutput(output: string): void {
  const isThere = exists(output);
  try {
    Deno.openSync(output, { append: true, create: true }).close();
    if (!isThere) Deno.removeSync(Deno.realPathSync(output));
  } catch (error) {
    throw cannotWrite(output, error);
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function cannotWrite(output: string, cause: unknown): RefusedError {
  return new RefusedError(`Cannot write ${output}: ${cause instanceof Error ? cause.message : cause}`, { cause });
}

function writeTo(context: Context, output: string, text: string): void {
  if (output === "-") return context.print(text.trimEnd());
  try {
    Deno.writeTextFileSync(output, text);
  } catch (error) {
    throw cannotWrite(output, error);
  }
  context.say(`nodeos: wrote ${output}`);
}

/** For people, on standard error: standard output is the program's. */
function report(
  context: Context,
  { code, uses, paths }: Recording,
  check: string | undefined,
  checked: readonly CheckedUse[] | undefined,
): void {
  const calls = uses.reduce((sum, { count }) => sum + count, 0);
  context.say(`nodeos: ${calls} system calls of ${uses.length} kinds; the program ended with ${code}`);
  const actions = new Map(checked?.map(({ call, action }) => [call, action]));
  context.say(table(
    [{ title: "CALL" }, { title: "COUNT", right: true }, ...(check === undefined ? [] : [{ title: `UNDER ${check}` }])],
    uses.slice(0, rowsShownMax).map(({ call, count }) => [call, `${count}`, actions.get(call) ?? ""]),
  ));
  if (uses.length > rowsShownMax) context.say(`... and ${uses.length - rowsShownMax} more; --json has all`);
  if (paths.length > 0) {
    context.say("");
    context.say(table(
      [{ title: "PATH" }, { title: "CALL" }, { title: "COUNT", right: true }],
      paths.slice(0, rowsShownMax).map(({ path, call, count }) => [path, call, `${count}`]),
    ));
    if (paths.length > rowsShownMax) context.say(`... and ${paths.length - rowsShownMax} more`);
  }
  if (checked === undefined) return;
  const [denied, forwarded] = [checked.filter(({ isDenied }) => isDenied), checked.filter(({ isForwarded }) => isForwarded)];
  const share = forwarded.reduce((sum, { count }) => sum + count, 0);
  context.say(`\nnodeos: under ${check}, ${share} of these calls would go to the ServiceOS`);
  context.say(
    denied.length === 0
      ? `nodeos: ${check} denies none of them`
      : `nodeos: ${check} denies ${denied.map(({ call, action }) => `${call} (${action.slice(5)})`).join(", ")}`,
  );
}
