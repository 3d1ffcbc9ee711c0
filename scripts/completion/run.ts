import { scripts, type Shell } from "../completion_scripts.ts";
import type { Context } from "../context.ts";

/** Prints the script of a shell. */
export default function completion(this: Context, _flags: Record<never, never>, shell: Shell): void {
  this.print(scripts[shell]);
}
