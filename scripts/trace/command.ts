import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";

/** Flags of `nodeos trace`. */
export interface TraceFlags {
  /** Where the profile is written. */
  readonly output?: string;
  /** A profile to compare with. */
  readonly check?: string;
  /** One JSON document. */
  readonly json: boolean;
}

/** `nodeos trace`: the system calls of a program, and the profile that it needs. */
export const command: Command<Context> = buildCommand<TraceFlags, [string, ...string[]], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      output: { kind: "parsed", parse: String, optional: true, brief: "Write the smallest profile to this file; - is standard output" },
      check: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Compare the run with this profile; 1 when it would have been refused a call",
      },
      json: jsonFlag,
    },
    aliases: { o: "output" },
    positional: {
      kind: "array",
      parameter: { parse: String, placeholder: "program", brief: "Program and arguments, after --" },
      minimum: 1,
    },
  },
  docs: {
    brief: "Run a program, and say which system calls and paths it touched; write the smallest profile that it needs",
    fullDescription: "The program runs where you are, not in a container, and each of its calls takes some 10 us longer.\n" +
      "What it leaves running when it ends goes on, and is not recorded any more.\n" +
      "Example: nodeos trace -o lmp.yaml -- ./lmp -in in.lj; then nodeos run --syscalls ./lmp.yaml -- ./lmp -in in.lj\n" +
      "         nodeos trace --check cnk -- ./lmp -in in.lj",
  },
});
