/**
 * Puts back what tests left that were killed: `deno run -A tests/leftovers.ts`. A container of theirs has its CPUs still, so
 * that every later run would find none free.
 *
 * @module
 */
import { KernelRoot } from "../ffi/kernel_root.ts";
import { isAlive } from "../lib/plan/store.ts";
import { statePlace, takeDown } from "./host.ts";

const kernel = new KernelRoot();

/** State directories whose test process has ended. */
function leftovers(): string[] {
  return [...Deno.readDirSync(statePlace.directory)].flatMap(({ name, isDirectory }) => {
    const [, pid, startTicks] = statePlace.pattern.exec(name) ?? [];
    if (!isDirectory || pid === undefined || isAlive(kernel, { pid: Number(pid), startTicks })) return [];
    return [`${statePlace.directory}/${name}`];
  });
}

let failed = false;
for (const directory of leftovers()) {
  const { code, stderr } = await takeDown(directory);
  if (code === 0) {
    Deno.removeSync(directory, { recursive: true });
    console.log(`tests: put back what a killed run left in ${directory}`);
  } else {
    console.error(`tests: cannot put back what a killed run left in ${directory}: ${stderr}`);
    failed = true;
  }
}
if (failed) Deno.exit(1);
