import { forwardingDirectory } from "../../lib/container/forwarding_seat.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { RefusedError } from "../../lib/errors.ts";
import { table } from "../../lib/report/table.ts";
import { Board } from "../../lib/syscall/board.ts";
import { decideSwitch, fixedCalls } from "../../lib/syscall/switching.ts";
import { parsePolicyFile, type PolicyFile, policyFileName } from "../../lib/syscall/policy_file.ts";
import { formatVerdict } from "../../lib/syscall/switches.ts";
import { callNamed } from "../../lib/syscall/table.ts";
import type { Context } from "../context.ts";
import { countedCalls, latencyOf } from "../counted_calls.ts";
import type { SyscallsFlags } from "./command.ts";

/** Shows what happened to the calls of a container. */
export async function showCalls(context: Context, { json }: SyscallsFlags, name: string): Promise<void> {
  const directory = await directoryOf(context, name);
  using board = new Board(`${directory}/board`, { readOnly: true });
  const { profile } = await policyIn(directory);
  const state = board.state();
  const calls = countedCalls(board).map(({ call, counter, ...verdict }) => ({ call, action: formatVerdict(verdict), ...counter }))
    .sort((a, b) => b.calls - a.calls);
  const { refusals } = board.refusals();
  if (json) {
    return context.json({
      container: name,
      profile,
      state: plain(state),
      calls,
      inFlight: board.journal().map(plain),
      refusals: refusals.map(plain),
    });
  }
  context.print(`container ${name}: profile ${profile}, socket ${directory}/sidecar.sock`);
  if (calls.length === 0) return context.print("no call has reached the ServiceOS yet");
  context.print(table(
    [
      { title: "CALL" },
      { title: "NOW" },
      ...["CALLS", "FORWARDED", "HANDED BACK", "ALLOWED", "DENIED", "HANDLED", "P50", "P99"].map((title) => ({ title, right: true })),
    ],
    calls.map((
      row,
    ) => [
      row.call,
      row.action,
      ...[row.calls, row.forwarded, row.returned, row.allowed, row.denied, row.handled].map(String),
      ...latencyOf(row),
    ]),
  ));
  for (const { call, errno, command, tid } of refusals) context.print(`refused first: ${call} (${errno}) to ${command}, thread ${tid}`);
}

/** Switches calls of a container, all or none. */
export async function switchCalls(
  context: Context,
  { json, dryRun }: SyscallsFlags,
  name: string,
  switches: readonly string[],
): Promise<void> {
  const directory = await directoryOf(context, name);
  const { rules } = await policyIn(directory);
  const policy = {
    rules: rules.flatMap(({ call, ...rule }) => callNamed(call) === undefined ? [] : [{ call: callNamed(call)!, ...rule }]),
  };
  const changes = switches.flatMap((text) => decideSwitch(policy, text));
  const fixed = switches.flatMap((text) => fixedCalls(policy, text));
  if (!dryRun) {
    using board = new Board(`${directory}/board`);
    for (const { call, action, errno } of changes) board.setRule(call.numbers[board.architecture]!, action, errno);
  }
  const rows = changes.map(({ call, ...verdict }) => ({ call: call.name, action: formatVerdict(verdict) }));
  if (json) {
    return context.json({
      container: name,
      changed: dryRun ? [] : rows,
      planned: rows,
      fixed: fixed.map(({ call, reason }) => ({ call: call.name, reason })),
    });
  }
  for (const { call, action } of rows) context.print(`${call} <- ${action}`);
  for (const { call, reason } of fixed) context.say(`nodeos: ${call.name} stays as it is: ${reason}`);
}

async function directoryOf(context: Context, name: string): Promise<string> {
  const spec = (await context.node()).find(name).spec as ContainerSpec;
  if (spec.syscalls !== undefined) return forwardingDirectory(context.stateDirectory, name);
  throw new RefusedError(`Cannot show system calls of container ${name}: its programs make all of them themselves`, {
    remedy: "Make it with a profile: nodeos run --syscalls lean, or syscalls: lean in its specification",
  });
}

async function policyIn(directory: string): Promise<PolicyFile> {
  return await parsePolicyFile(await Deno.readTextFile(`${directory}/${policyFileName}`));
}

/** Numbers of 64 bits as text: JSON has none. */
function plain(value: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, typeof item === "bigint" ? `${item}` : item]));
}
