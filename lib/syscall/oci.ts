import type { Architecture } from "./arch.ts";
import { errnoNumber } from "./errno.ts";
import type { Policy } from "./rules.ts";
import type { Verdict } from "./switches.ts";

/** Calls that an OCI runtime treats alike. */
export interface OciSyscalls {
  /** Their names, sorted. */
  readonly names: readonly string[];
  /** What happens: made by the program, refused, or sent to whoever listens. */
  readonly action: "SCMP_ACT_ALLOW" | "SCMP_ACT_ERRNO" | "SCMP_ACT_NOTIFY";
  /** Only of refused ones: the number of the error. */
  readonly errnoRet?: number;
}

/** `linux.seccomp` of an OCI runtime specification. */
export interface OciSeccomp {
  /** Of calls that `syscalls` does not name. */
  readonly defaultAction: "SCMP_ACT_ALLOW" | "SCMP_ACT_ERRNO";
  /** Only of refused ones: the number of the error. */
  readonly defaultErrnoRet?: number;
  /** The only one; calls of others are refused. */
  readonly architectures: readonly string[];
  /** Only where something is sent: a call that was received is interrupted by nothing but the end of the program. */
  readonly flags?: readonly string[];
  /** Ordered by action, then by error. */
  readonly syscalls: readonly OciSyscalls[];
}

const architectures: Readonly<Record<Architecture, string>> = { x86_64: "SCMP_ARCH_X86_64", aarch64: "SCMP_ARCH_AARCH64" };

/**
 * A policy as OCI runtimes have it, to compare it with theirs. It says what happens to a call, not where that is decided:
 * a call that is allowed or denied is so here, though it may be sent to the ServiceOS to be counted and switched.
 */
export function ociSeccomp({ architecture, rules, unknown }: Policy): OciSeccomp {
  const other = ociAction(unknown);
  const byAction = new Map<string, OciSyscalls & { names: string[] }>();
  for (const rule of rules) {
    const action = ociAction(rule);
    const key = keyOf(action);
    if (key === keyOf(other)) continue;
    if (!byAction.has(key)) byAction.set(key, { names: [], ...action });
    byAction.get(key)!.names.push(rule.call.name);
  }
  const syscalls = [...byAction.values()].map((entry) => ({ ...entry, names: entry.names.toSorted() }))
    .toSorted((a, b) => keyOf(a) < keyOf(b) ? -1 : 1);
  const isHeard = syscalls.some(({ action }) => action === "SCMP_ACT_NOTIFY");
  return {
    defaultAction: other.action as OciSeccomp["defaultAction"],
    ...(other.errnoRet === undefined ? {} : { defaultErrnoRet: other.errnoRet }),
    architectures: [architectures[architecture]],
    ...(isHeard ? { flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] } : {}),
    syscalls,
  };
}

function ociAction({ action, errno }: Verdict): Omit<OciSyscalls, "names"> {
  if (action === "allow") return { action: "SCMP_ACT_ALLOW" };
  return action === "deny" ? { action: "SCMP_ACT_ERRNO", errnoRet: errnoNumber(errno!) } : { action: "SCMP_ACT_NOTIFY" };
}

function keyOf({ action, errnoRet = 0 }: Omit<OciSyscalls, "names">): string {
  return `${action} ${String(errnoRet).padStart(4, "0")}`;
}
