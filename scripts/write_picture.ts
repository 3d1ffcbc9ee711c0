import { RefusedError } from "../lib/errors.ts";
import type { Context } from "./context.ts";

/** Writes a picture to a file and says so, or with `-` prints it. Throws a `RefusedError` if it cannot be written. */
export async function writePicture(context: Context, path: string, svg: string): Promise<void> {
  if (path === "-") return context.print(svg.trimEnd());
  try {
    await Deno.writeTextFile(path, svg);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const reason = error instanceof Deno.errors.NotCapable
      ? "this command has no permission to write there"
      : (error as { code?: string }).code;
    throw new RefusedError(`Cannot write the picture to ${path}: ${reason ?? error.message}`, {
      cause: error,
      remedy: "Write to standard output instead: --svg - > FILE",
    });
  }
  context.say(`Wrote the picture to ${path}`);
}
