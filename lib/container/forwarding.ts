import { controlKeeper, startKeeper, stopKeeper } from "../../ffi/keeper.ts";
import { libraryPath } from "../../ffi/library.ts";
import { RefusedError, UsageError } from "../errors.ts";
import { hostArchitecture } from "../syscall/arch.ts";
import { encodeBoard } from "../syscall/board.ts";
import { compileFilter } from "../syscall/filter.ts";
import { type Policy, resolvePolicy } from "../syscall/policy.ts";
import { formatPolicyFile } from "../syscall/policy_file.ts";
import type { Forwarding, ForwardingSeat } from "./forwarding_seat.ts";
import { type ContainerSpec, type NodeRequest, SpecError, type SpecIssue } from "./spec.ts";
import type { SyscallRequest } from "./syscall_wish.ts";

/** The program of the sidecar; the keeper executes it, nobody imports it. */
const sidecarProgram = new URL("../../scripts/sidecar/main.ts", import.meta.url).pathname;

function sidecarCommand(directory: string, handlers: string | undefined): string[] {
  const flags = ["-q", "--no-prompt", `--allow-ffi=${libraryPath()}`, `--allow-read=${directory}`, `--allow-write=${directory}`];
  const module = handlers === undefined ? [] : ["--handlers", handlers];
  return [Deno.execPath(), "run", ...flags, "--allow-env=NODEOS_LIB,NODEOS_FORWARD_DIR", sidecarProgram, ...module];
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

/** See {@link Forwarding}. */
export const forwarding: Forwarding = {
  check({ containers }: NodeRequest): void {
    const issues = containers.flatMap(({ syscalls }, index): SpecIssue[] => {
      try {
        if (syscalls !== undefined) policyOf(syscalls);
        return [];
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        return [{ path: ["containers", index, "syscalls"], kind: "usage", message: error.message, remedy: error.remedy }];
      }
    });
    if (issues.length > 0) throw new SpecError(issues);
  },

  async start(directory: string, { name, syscalls }: ContainerSpec, seat: ForwardingSeat): Promise<void> {
    const policy = policyOf(syscalls!);
    const { uid, gid } = syscalls!.user ?? { uid: 0, gid: 0 };
    const handlers = syscalls!.handlers;
    await startKeeper({
      directory,
      board: encodeBoard(policy, { spinUs: syscalls!.spinUs }),
      files: { filter: compileFilter(policy), "policy.json": new TextEncoder().encode(formatPolicyFile(name, policy)) },
      sidecar: { argv: sidecarCommand(directory, handlers), uid, gid },
      ...seat,
    });
    // Without handlers it starts when somebody connects to it first.
    if (handlers !== undefined) await controlKeeper(directory, "sidecar");
  },

  async stay(directory: string): Promise<void> {
    await controlKeeper(directory, "stay");
  },

  async stop(directory: string): Promise<void> {
    await stopKeeper(directory);
  },
};
