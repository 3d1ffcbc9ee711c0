import { sendSignal } from "../../../ffi/task.ts";
import type { Kernel } from "../../plan/driver.ts";
import type { Step } from "../../plan/step.ts";
import { isAlive, Store } from "../../plan/store.ts";

/** The only holding of the ledger of power: there is one writer at a time. */
export const writerName = "power";

const sigTerm = 15;
const sigKill = 9;

/** Whoever set power last and has not put everything back. */
export interface Writer {
  /** Its process while it lives; `null` when it died, or left something that the machine would not take back. */
  readonly pid: number | null;
  /** The user, or whatever name it gave. */
  readonly who: string;
  /** What it changed, with what was there before, in the order it was changed. */
  readonly steps: readonly Step[];
}

/** The writer of power, alive or dead; `null` when everything is as it was. Changes nothing. */
export function currentWriter(kernel: Kernel, directory: string): Writer | null {
  const holding = new Store(kernel, directory).read().holdings.find(({ name }) => name === writerName);
  if (holding === undefined) return null;
  const { owner, spec, steps } = holding;
  return { pid: owner !== null && isAlive(kernel, owner) ? owner.pid : null, who: `${spec}`, steps };
}

/**
 * Ends the writer of power if it lives: SIGTERM, and SIGKILL after `graceMs` (0: at once). What it does not put back itself
 * is for {@link restorePower}.
 */
export async function endWriter(kernel: Kernel, directory: string, graceMs: number): Promise<void> {
  const owner = new Store(kernel, directory).read().holdings.find(({ name }) => name === writerName)?.owner;
  if (!owner) return;
  const signal = (number: number) => isAlive(kernel, owner) && sendSignal(owner.pid, BigInt(owner.startTicks), number);
  if (graceMs > 0) signal(sigTerm);
  await untilDead(() => isAlive(kernel, owner), graceMs);
  signal(sigKill);
  await untilDead(() => isAlive(kernel, owner), 5000);
}

async function untilDead(isAlive: () => boolean, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs;
  for (let pauseMs = 1; isAlive() && Date.now() < deadline; pauseMs = Math.min(pauseMs * 2, 50)) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
