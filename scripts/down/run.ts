import { UsageError } from "../../lib/errors.ts";
import type { Context } from "../context.ts";
import { printDown, reportDown } from "../report_down.ts";
import type { DownFlags } from "./command.ts";

/** Takes containers down, by name, by specification, or all. */
export default async function down(this: Context, flags: DownFlags, ...names: string[]): Promise<void> {
  const node = await this.node();
  const chosen = flags.file === undefined ? names : [...names, ...await namesOf(flags.file)];
  if (chosen.length === 0 && !flags.all) {
    throw new UsageError("Cannot take nothing down", {
      remedy: "Name containers, a specification (-f FILE), or --all; nodeos ps lists them",
    });
  }
  if (flags.dryRun) return printDown(this, node, flags.all ? [] : chosen);
  reportDown(this, await node.down(flags.all ? [] : chosen, flags.grace * 1000));
}

async function namesOf(file: string): Promise<string[]> {
  const { readSpecFile } = await import("../../lib/container/spec_file.ts");
  const { request } = readSpecFile(file);
  return request.containers.flatMap(({ name }) => name ?? []);
}
