import { RefusedError } from "../errors.ts";
import { hostArchitecture } from "../syscall/arch.ts";
import { encodeBoard } from "../syscall/board_image.ts";
import { compileFilter } from "../syscall/filter.ts";
import { type Policy, resolvePolicy } from "../syscall/policy.ts";
import { filePolicy, type PolicyFile } from "../syscall/policy_file.ts";
import type { SyscallRequest } from "./syscall_wish.ts";

/** Two wake-ups across CPUs take longer than a program that works on files needs until its next call. */
const spinUsDefault = 50;

/** What a wish means on this machine, ready for a keeper. */
export interface CompiledWish {
  /** The whole board: the policy, and how calls are executed for somebody else. */
  readonly board: Uint8Array<ArrayBuffer>;
  /** The seccomp filter of programs: an array of `struct sock_filter`. */
  readonly filter: Uint8Array<ArrayBuffer>;
  /** The same for people and programs. */
  readonly policy: Omit<PolicyFile, "container">;
}

/**
 * What a wish means on this machine.
 *
 * @throws {UsageError} If it is wrong, {RefusedError} if we have no table of this machine's calls.
 */
export function policyOf({ profile, switches, switchable }: SyscallRequest): Policy {
  const architecture = hostArchitecture();
  if (architecture === null) {
    throw new RefusedError("Cannot filter system calls: this processor is neither x86-64 nor aarch64", { remedy: "Leave syscalls out" });
  }
  return resolvePolicy({ profile, switches, switchable }, architecture);
}

/** Compiles a wish. Throws as {@link policyOf} does. */
export function compileWish(wish: SyscallRequest): CompiledWish {
  const policy = policyOf(wish);
  return {
    board: encodeBoard(policy, { spinUs: wish.spinUs ?? spinUsDefault }),
    filter: compileFilter(policy),
    policy: filePolicy(policy),
  };
}
