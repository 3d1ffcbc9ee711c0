import { SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { callQuestions } from "./doctor/calls.ts";
import { cgroupQuestions } from "./doctor/cgroups.ts";
import { hardwareQuestions } from "./doctor/hardware.ts";
import { Machine, type Probes } from "./doctor/machine.ts";
import { memoryQuestions } from "./doctor/memory.ts";
import { neededQuestions, toolQuestions } from "./doctor/needed.ts";
import { privilegeQuestions } from "./doctor/privileges.ts";
import { type Answer, notCaptured, type Question, type Status, unknown } from "./doctor/question.ts";
import { quietQuestions } from "./doctor/quiet.ts";
import { schedulingQuestions } from "./doctor/scheduling.ts";

export type { Probes, Status };

/** One thing that `nodeos doctor` found out. */
export interface Check {
  /** Stable name, for programs. */
  readonly id: string;
  /** Title of the group it is shown in. */
  readonly group: string;
  /** For people, at most three words. */
  readonly title: string;
  /** `yes`: it works here; `partly`: with a loss; `no`: not here; `unknown`: this process cannot tell. */
  readonly status: Status;
  /** The fact itself. */
  readonly found: string;
  /** One sentence: what a user loses when the answer is not yes. */
  readonly why: string;
  /** An exact command or boot argument, or why there is none; `null` when nothing needs one. */
  readonly fix: string | null;
  /** No container runs here when the answer is no. */
  readonly essential: boolean;
}

const needed = "Needed to run";
const groups: readonly (readonly [string, readonly Question[]])[] = [
  [needed, neededQuestions],
  ["Control groups", cgroupQuestions],
  ["Scheduling", schedulingQuestions],
  ["Quiet CPUs", quietQuestions],
  ["Memory", memoryQuestions],
  ["System calls", callQuestions],
  ["Power and counters", hardwareQuestions],
  ["Capabilities", privilegeQuestions],
];

/**
 * Examines what a machine offers to containers, and changes nothing.
 *
 * @param files The machine; `null` when the native library cannot be loaded, which leaves the library and the compiler.
 * @returns What is needed to run first; a file that this process may not read makes its check `unknown`.
 */
export function examine(files: KernelFiles | null, probes: Probes): Check[] {
  const checks = toolQuestions.map((question) => check(needed, question, question.ask(probes)));
  if (files === null) return checks;
  const machine = new Machine(files, probes);
  for (const [group, questions] of groups) {
    for (const question of questions) checks.push(check(group, question, ask(question, machine)));
  }
  return checks;
}

/** The checks that keep a plain `nodeos run` from working: none when it can. */
export function missing(checks: readonly Check[]): Check[] {
  return checks.filter(({ essential, status }) => essential && status === "no");
}

function check(group: string, { id, title, why, essential = false }: Omit<Question, "ask" | "evidence">, answer: Answer): Check {
  return { id, group, title, status: answer.status, found: answer.found, why: answer.why ?? why, fix: answer.fix, essential };
}

/** What reading a machine may throw: a refusal of the kernel, of Deno, or a file that is not what it should be. */
const readErrors = [SysError, SyntaxError, Deno.errors.PermissionDenied, Deno.errors.NotCapable];

function ask(question: Question, machine: Machine): Answer {
  try {
    if (machine.isCaptured && !machine.files.exists(question.evidence)) return notCaptured;
    return question.ask(machine);
  } catch (error) {
    if (error instanceof Error && readErrors.some((type) => error instanceof type)) return unknown(error.message);
    throw error;
  }
}
