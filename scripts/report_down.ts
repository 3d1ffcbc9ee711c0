import { RefusedError } from "../lib/errors.ts";
import type { Node } from "../lib/container/node.ts";
import type { Recovery } from "../lib/container/recovery.ts";
import { processesOf } from "../lib/container/processes.ts";
import { removeHolding, stepsToUndo } from "../lib/plan/ledger.ts";
import type { Context } from "./context.ts";

/** Says what is gone; steps that the kernel would not take back make the command fail. */
export function reportDown(context: Context, { removed, left }: Recovery): void {
  if (removed.length > 0) context.say(`nodeos: took down ${removed.join(", ")}`);
  if (left.length === 0) return;
  const lines = left.map(({ step, found }) => `${step.what} is ${found}, and was ${step.from}`);
  throw new RefusedError(`Cannot put everything back:\n  ${lines.join("\n  ")}`, { remedy: "The next nodeos command tries again" });
}

/** Prints what taking containers down would end and put back, in the order it would be done; all of them without `names`. */
export function printDown(context: Context, node: Node, names: readonly string[]): void {
  let ledger = node.ledger();
  for (const name of names) node.find(name);
  for (const holding of ledger.holdings.toReversed()) {
    if (names.length > 0 && !names.includes(holding.name)) continue;
    const pids = processesOf(node.kernel, holding);
    if (pids.length > 0) context.print(`end ${pids.length === 1 ? "process" : "processes"} ${pids.join(", ")} of ${holding.name}`);
    const steps = stepsToUndo(ledger, holding).toReversed();
    const removed = steps.filter(({ kind, from }) => kind === "cgroup" && from === null).map(({ what }) => what);
    for (const { kind, what, from } of steps) {
      // What is in a cgroup goes with it.
      if (removed.some((directory) => what.startsWith(`${directory}/`))) continue;
      if (from !== null) context.print(`${what} <- ${from}`);
      else if (kind === "cgroup") context.print(`${what}/ is removed`);
    }
    ledger = removeHolding(ledger, holding.name);
  }
  // What others still wish is planned anew for them.
  if (ledger.holdings.length > 0) return;
  for (const { what, from, refused } of (ledger.node?.steps ?? []).toReversed()) {
    if (from !== null && !refused) context.print(`${what} <- ${from}`);
    else if (from === null && what.endsWith("/nodeos-others")) context.print(`${what}/ is removed`);
  }
}
