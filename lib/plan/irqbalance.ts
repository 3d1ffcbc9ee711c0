import { ask } from "../../ffi/ask.ts";
import { SysError } from "../../ffi/errors.ts";
import { formatCpuList } from "../kernel/cpulist.ts";
import { parseCpuMask } from "../kernel/cpumask.ts";

/** How long a look at the interrupts may take. */
const scanMs = 3000;
const lookEveryMs = 50;
/** It answers between two looks only: so often it is asked. Each time it has a second. */
const triesMax = 5;

/**
 * CPUs that an irqbalance keeps free of interrupts.
 *
 * @param socket Its socket, `/run/irqbalance/irqbalancePID.sock`.
 * @returns A CPU list; `null` when it ended, or does not talk to us (it does to root alone).
 * @throws {SysError} If it does not answer (`ETIMEDOUT`).
 */
export function readBannedCpus(socket: string): string | null {
  return readSetup(socket)?.bannedCpus ?? null;
}

/**
 * Tells an irqbalance which CPUs to keep free of interrupts, and waits until it does: it notices before its next look at
 * the interrupts, which is every ten seconds unless it was told otherwise. When it does not notice, it has its old list.
 *
 * @param cpus A CPU list. With `""` it decides by itself again: by its configuration, and CPUs isolated at boot.
 */
export function banCpus(socket: string, cpus: string): void {
  const before = readSetup(socket);
  if (before === null) return;
  request(socket, cpus);
  for (const end = Date.now() + before.pauseMs + scanMs; Date.now() < end;) {
    const now = readBannedCpus(socket);
    if (now === cpus || now === null) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lookEveryMs);
  }
  request(socket, before.bannedCpus);
}

/** It says nothing to that. When it is busy, it reads it later. */
function request(socket: string, cpus: string): void {
  try {
    ask(socket, `settings cpus ${cpus || "NULL"}`);
  } catch (error) {
    if (!isCode(error, "ETIMEDOUT") && !isHangUp(error)) throw error;
  }
}

interface Setup {
  readonly bannedCpus: string;
  readonly pauseMs: number;
}

/** Its answer is `SLEEP SECONDS IRQ ... BANNED MASK`. It closes without one for those that it does not talk to. */
function readSetup(socket: string): Setup | null {
  const match = /^SLEEP (\d+) (?:.* )?BANNED ([\da-f,]+)\s*$/.exec(askPatiently(socket) ?? "");
  return match && { pauseMs: Number(match[1]) * 1000, bannedCpus: formatCpuList(parseCpuMask(match[2])) };
}

function askPatiently(socket: string): string | null {
  for (let tries = 1;; tries++) {
    try {
      return ask(socket, "setup");
    } catch (error) {
      if (isCode(error, "EACCES") || isHangUp(error)) return null;
      if (!isCode(error, "ETIMEDOUT") || tries === triesMax) throw error;
    }
  }
}

/** It closes on those that it does not talk to, sometimes before it has read what they say. */
function isHangUp(error: unknown): boolean {
  return isCode(error, "ECONNRESET") || isCode(error, "EPIPE");
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof SysError && error.code === code;
}
