import { didYouMean, UsageError } from "../errors.ts";
import { quote } from "../quote.ts";
import { errnoNames, errnoNumber } from "./errno.ts";

/**
 * What happens to a system call: `allow` (the program makes it itself), `forward` (the ServiceOS executes it as the
 * caller), `inject` (the same for a call that returns a descriptor: opened there, handed to the caller), `deny` (an
 * error), `handle` (a TypeScript handler decides), `record` (as `allow`, and its paths are written down).
 */
export type Action = "allow" | "forward" | "inject" | "deny" | "handle" | "record";

/** All actions, the most usual first. */
export const actions: readonly Action[] = ["allow", "forward", "inject", "deny", "handle", "record"];

/** An action, and of `deny` the error. */
export interface Verdict {
  /** What happens. */
  readonly action: Action;
  /** Only of `deny`: the name of the error, such as `EPERM`. */
  readonly errno?: string;
}

/** One difference from a profile, or a change while programs run. */
export interface Switch {
  /** A call such as `openat`, or a group such as `@path`. */
  readonly target: string;
  /** What happens to it from then on. */
  readonly verdict: Verdict;
}

/** Error of a denied call where nobody names another. */
const errnoDefault = "EPERM";
const example = "Write CALL=ACTION, as in openat=allow, @path=forward or ptrace=deny:EPERM";

/**
 * Parses a switch: a call or a group, `=`, and an action, `deny` with or without an error.
 *
 * @throws {UsageError} If it is none. Whether there is such a call is not looked at.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseSwitch } from "./switches.ts";
 *
 * assert.deepEqual(parseSwitch("openat=allow"), { target: "openat", verdict: { action: "allow" } });
 * assert.deepEqual(parseSwitch("@keys=deny"), { target: "@keys", verdict: { action: "deny", errno: "EPERM" } });
 * ```
 */
export function parseSwitch(text: string): Switch {
  const [target, ...rest] = text.split("=").map((word) => word.trim());
  const fault = rest.length === 0 ? "it names no action" : target === "" ? "it names no call" : null;
  if (fault !== null) throw new UsageError(`Cannot switch ${quote(text)}: ${fault}`, { remedy: example });
  return { target, verdict: parseVerdict(rest.join("=")) };
}

/**
 * Parses an action, as in `allow`, `deny` or `deny:ENOSYS`; `deny` alone is `deny:EPERM`.
 *
 * @throws {UsageError} If it is none.
 */
export function parseVerdict(text: string): Verdict {
  const [word, errno, ...rest] = text.split(":");
  const action = actions.find((action) => action === word);
  if (action === undefined) {
    throw new UsageError(
      `Cannot read ${quote(text)} as an action: there is none such${didYouMean(word.slice(0, 40), actions)}`,
      {
        remedy: `Write ${actions.join(", ")}`,
      },
    );
  }
  if (errno !== undefined && action !== "deny" || rest.length > 0) {
    throw new UsageError(`Cannot read ${quote(text)} as an action: only deny has an error, and only one`, { remedy: example });
  }
  return action === "deny" ? { action, errno: parseErrno(errno ?? errnoDefault) } : { action };
}

/**
 * Checks the name of an error.
 *
 * @throws {UsageError} If Linux has none of that name.
 */
export function parseErrno(name: string): string {
  if (errnoNumber(name) !== undefined) return name;
  throw new UsageError(`Cannot deny with ${quote(name)}: Linux has no such error${didYouMean(name.slice(0, 40), errnoNames)}`, {
    remedy: "Write its name, such as EPERM, EACCES or ENOSYS",
  });
}

/** A verdict as people write it: `allow`, `deny:EPERM`. */
export function formatVerdict({ action, errno }: Verdict): string {
  return errno === undefined ? action : `${action}:${errno}`;
}
