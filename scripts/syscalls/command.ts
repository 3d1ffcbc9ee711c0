import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { dryRunFlag, jsonFlag } from "../flags.ts";

/** Flags of `nodeos syscalls`. */
export interface SyscallsFlags {
  /** A profile to show, with switches. */
  readonly profile?: string;
  /** Another one to compare it with. */
  readonly against?: string;
  /** The profile as an OCI runtime would have it. */
  readonly oci: boolean;
  /** Change nothing. */
  readonly dryRun: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

/** `nodeos syscalls`: profiles, and what happens to the calls of a container. */
export const command: Command<Context> = buildCommand<SyscallsFlags, string[], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      profile: { kind: "parsed", parse: String, optional: true, brief: "Show this profile: a name or a file, and switches after commas" },
      against: { kind: "parsed", parse: String, optional: true, brief: "With --profile: only what this other one does differently" },
      oci: { kind: "boolean", default: false, brief: "With --profile: print it as linux.seccomp of an OCI runtime" },
      dryRun: dryRunFlag,
      json: jsonFlag,
    },
    aliases: { n: "dryRun" },
    positional: {
      kind: "array",
      parameter: { parse: String, placeholder: "words", brief: "CONTAINER [CALL=ACTION...]; without: the profiles" },
    },
  },
  docs: {
    brief: "Show profiles of system calls, and what happens to the calls of a container; switch some while its programs run",
    fullDescription: "nodeos syscalls                                  the profiles\n" +
      "nodeos syscalls --profile cnk                    one of them, by what happens to which calls\n" +
      "nodeos syscalls --profile lean --against cnk     what differs\n" +
      "nodeos syscalls sim                              the calls of container sim: how many, where they went, how long they took\n" +
      "nodeos syscalls sim openat=allow stat=deny:EPERM from now on; actions: allow, forward, inject, handle, deny[:ERRNO]",
  },
});
