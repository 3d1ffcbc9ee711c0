import { buildCommand, type Command } from "@stricli/core";
import { parseNumberList } from "../../lib/container/number_list.ts";
import { parseBytes, parseCount } from "../../lib/container/quantity.ts";
import type { Context } from "../context.ts";
import { dryRunFlag, jsonFlag } from "../flags.ts";

/** Flags of `nodeos resize`. */
export interface ResizeFlags {
  /** The CPUs it shall have. */
  readonly cpus?: number[];
  /** NUMA nodes to take memory from. */
  readonly nodes?: number[];
  /** The most memory in bytes; `none` is no limit. */
  readonly memory?: number | "none";
  /** The most threads; `none` is no limit. */
  readonly pids?: number | "none";
  /** Take CPUs from whoever has them. */
  readonly take: boolean;
  /** A container of ours that gets the CPUs that are given up. */
  readonly give?: string;
  /** Change nothing. */
  readonly dryRun: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

const orNone = (parse: (text: string) => number) => (text: string) => text === "none" ? "none" as const : parse(text);

/** `nodeos resize`: other CPUs and memory for a container whose programs run. */
export const command: Command<Context> = buildCommand<ResizeFlags, [string], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      cpus: { kind: "parsed", parse: parseNumberList, optional: true, brief: "The CPUs it shall have, such as 2-15,18" },
      nodes: {
        kind: "parsed",
        parse: parseNumberList,
        optional: true,
        brief: "NUMA nodes to take memory from; what it has moves there (on cgroup v1 it stays)",
      },
      memory: { kind: "parsed", parse: orNone(parseBytes), optional: true, brief: "The most memory, such as 64GiB; none lifts the limit" },
      pids: { kind: "parsed", parse: orNone(parseCount), optional: true, brief: "The most threads at once; none lifts the limit" },
      take: { kind: "boolean", default: false, withNegated: false, brief: "Take CPUs from the container or ServiceOS that has them" },
      give: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "NAME",
        brief: "Who gets the CPUs that it gives up (service: the ServiceOS)",
      },
      dryRun: dryRunFlag,
      json: jsonFlag,
    },
    aliases: { n: "dryRun" },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, placeholder: "name", brief: "The container; service is the ServiceOS" }],
    },
  },
  docs: {
    brief: "Give a container other CPUs or limits while its programs run: all of it, or nothing",
    fullDescription:
      "Threads move to the new CPUs: who might run on all of them still may, who had chosen some keeps those that are left. Nothing is\n" +
      "killed: a limit below what is in use is refused. With --take and --give, other containers or the ServiceOS shrink or grow in the\n" +
      "same plan. Example: nodeos resize sim --cpus 2-11 --take",
  },
});
