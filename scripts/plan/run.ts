import { CapturedRoot } from "../../ffi/captured_root.ts";
import { planRequest } from "../../lib/container/planning.ts";
import { readSpecFile } from "../../lib/container/spec_file.ts";
import { emptyLedger } from "../../lib/plan/ledger.ts";
import type { Context } from "../context.ts";
import { printPlan } from "../print_plan.ts";
import { relocate } from "../relocate.ts";
import type { PlanFlags } from "./command.ts";

/** Prints what a specification would change. */
export default async function plan(this: Context, flags: PlanFlags, file: string): Promise<void> {
  const { request, locate } = readSpecFile(file);
  const plans = flags.input === undefined
    ? await relocate(locate, async () => (await this.node()).plan(request))
    : await relocate(locate, () => planRequest(new CapturedRoot(flags.input!), emptyLedger("captured"), request));
  printPlan(this, plans, flags.json);
}
