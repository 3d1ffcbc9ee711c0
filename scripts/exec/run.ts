import { wait } from "../../ffi/launch.ts";
import type { Context } from "../context.ts";
import type { ExecFlags } from "./command.ts";

/** Runs a program in a container that is up, and ends with its status. */
export default async function exec(this: Context, flags: ExecFlags, name: string, ...argv: string[]): Promise<void> {
  const node = await this.node();
  const program = node.start(name, { argv, cwd: flags.cwd, credentials: flags.user, forwardSignals: true });
  this.process.exitCode = wait(program, program.placement).code;
}
