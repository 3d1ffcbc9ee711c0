import { CapturedRoot } from "../../ffi/captured_root.ts";
import { compose, writeTree } from "./compose.ts";
import { descriptions } from "./descriptions.ts";

/** Composed trees of this process; two runs of the tests may go on at once. */
const made = new URL(`../../build/machines/${Deno.pid}`, import.meta.url).pathname;
const written = new Set<string>();

/** A machine captured beside this file, or composed from its description, by name. */
export function machine(name: string): CapturedRoot {
  if (!(name in descriptions)) return new CapturedRoot(new URL(`./${name}`, import.meta.url).pathname);
  write(name);
  return new CapturedRoot(`${made}/${name}`);
}

function write(name: string): void {
  if (written.has(name)) return;
  if (written.size === 0) globalThis.addEventListener("unload", () => Deno.removeSync(made, { recursive: true }));
  written.add(name);
  const description = descriptions[name]();
  // It links to the CPUs of another machine, which lies beside it.
  if (description.cpusFrom) write(description.cpusFrom);
  writeTree(compose(description), `${made}/${name}`);
}
