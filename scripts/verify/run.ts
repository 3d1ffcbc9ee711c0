import type { Drift } from "../../lib/plan/executor.ts";
import { RefusedError } from "../../lib/errors.ts";
import type { Context } from "../context.ts";
import type { VerifyFlags } from "./command.ts";

/** Compares the node with what the ledger says, and repairs it on request. */
export default async function verify(this: Context, { repair, json }: VerifyFlags): Promise<void> {
  const node = await this.node();
  const before = driftOf(node.verify(), node.verifyNode());
  const after = repair && before.length > 0 ? (await node.repair()).filter(({ drift }) => drift.length > 0) : before;
  const stepCount = node.ledger().holdings.reduce((sum, { steps }) => sum + steps.length, node.ledger().node?.steps.length ?? 0);
  if (json) {
    this.json({ steps: stepCount, drift: before.map(plain), ...(repair ? { left: after.map(plain) } : {}) });
  } else {
    for (const { name, drift } of before) {
      this.print(name === "" ? "the whole node" : `container ${name}`);
      for (const { step, found } of drift) this.print(`  ${step.what} is ${found ?? "gone"}, and should be ${step.to}`);
    }
  }
  if (before.length === 0) return this.say(`nodeos: all ${stepCount} changes still stand`);
  const count = (list: typeof before) => list.reduce((sum, { drift }) => sum + drift.length, 0);
  if (!repair) {
    throw new RefusedError(`${count(before)} values drifted`, { remedy: "nodeos verify --repair makes them true again" });
  }
  if (after.length > 0) {
    const lines = after.flatMap(({ drift }) =>
      drift.map(({ step, found }) => `${step.what} is ${found ?? "gone"}, and should be ${step.to}`)
    );
    throw new RefusedError(`Cannot repair everything:\n  ${lines.join("\n  ")}`, { remedy: "Take the container down, and up again" });
  }
  this.say(`nodeos: repaired ${count(before)} values`);
}

function driftOf(containers: { name: string; drift: Drift[] }[], node: Drift[]): { name: string; drift: Drift[] }[] {
  return [...containers, { name: "", drift: node }].filter(({ drift }) => drift.length > 0);
}

function plain({ name, drift }: { name: string; drift: Drift[] }) {
  return { container: name === "" ? null : name, drift };
}
