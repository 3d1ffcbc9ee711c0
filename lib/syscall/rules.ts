import type { Architecture } from "./arch.ts";
import type { Action, Verdict } from "./switches.ts";
import type { Call, Trait } from "./table.ts";

/** What happens to one call. */
export interface Rule extends Verdict {
  /** The call. */
  readonly call: Call;
  /** Whether the filter sends it to the ServiceOS, so that it is counted, and can be switched while programs run. */
  readonly notified: boolean;
}

/** What happens to every call of a machine. */
export interface Policy {
  /** The machine. */
  readonly architecture: Architecture;
  /** Name of the profile that it was made from. */
  readonly profile: string;
  /** Every call of the architecture, by number. */
  readonly rules: readonly Rule[];
  /** What happens to calls that we do not know, of kernels newer than we. */
  readonly unknown: { readonly action: "allow" | "deny"; readonly errno?: string };
}

/** Error of calls that are refused as if the kernel had none such. */
export const noSuchCall = "ENOSYS";

/** Calls that no policy may touch, and why. */
const needed: Readonly<Record<string, string>> = {
  execve: "the launcher makes it under the filter, so that no program would start",
  exit: "every thread ends with it",
  exit_group: "every program ends with it",
  sched_yield: "the launcher may make it under the filter",
  rt_sigreturn: "the kernel makes programs return from signals with it",
  restart_syscall: "the kernel makes programs continue after a stop with it",
  uprobe: "the kernel puts it into programs that are traced",
  uretprobe: "the kernel puts it into programs that are traced",
};

/** Whether a call has a trait. */
export function has(call: Call, trait: Trait): boolean {
  return call.traits.includes(trait);
}

/** Whether a call would make other calls past the filter: it is refused under every policy, for good. */
export function isPastFilter(call: Call): boolean {
  return call.name.startsWith("io_uring_");
}

/** Whether a program confines itself by a call, but nobody who executes calls for it: it must not believe that it is confined. */
export function confinesCallerOnly(call: Call): boolean {
  return call.name.startsWith("landlock_");
}

/** The action on one call: of calls that return a descriptor, `forward` means `inject`. */
export function fitted(call: Call, action: Action): Action {
  return action === "forward" && has(call, "descriptor") ? "inject" : action;
}

/** Why an action on a call is not possible, as a clause; `null` when it is. */
export function objection(call: Call, { action, errno }: Verdict): string | null {
  if (isPastFilter(call) && errno !== noSuchCall) {
    return `every policy denies it with ${noSuchCall}, as programs could make any call through it, past the filter`;
  }
  if (action === "allow" || action === "deny") return action === "deny" ? needed[call.name] ?? null : null;
  const reason = reasonInFilter(call);
  if (reason !== null) return reason;
  if (action === "inject" && !has(call, "descriptor")) return "it returns no descriptor; what fits is forward";
  const isExecuted = action === "forward" || action === "inject";
  return isExecuted && !has(call, "forwardable") ? "only the program itself can make it" : null;
}

/** Why a call is never sent to the ServiceOS, whatever the policy; `null` when it can be. */
export function reasonInFilter(call: Call): string | null {
  if (isPastFilter(call)) return "every policy denies it in the filter";
  if (needed[call.name] !== undefined) return needed[call.name];
  return has(call, "neverNotified") ? "it stays in the filter: programs do not expect to be interrupted in it" : null;
}

/** Whether a rule's call may be executed by the ServiceOS, now or after a switch, or by somebody's handler. */
export function mayExecute({ call, action, notified }: Rule): boolean {
  return notified && (has(call, "forwardable") || action === "handle");
}
