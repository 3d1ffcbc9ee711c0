/** Shows all meters of this machine to tools of PAPI while they run, and prints what they say as JSON; see `papi_test.ts`. */
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { PowerBoard } from "../../lib/power/glue/board.ts";
import { Registry } from "../../lib/power/registry.ts";

const [path, library, ...events] = Deno.args;
using registry = Registry.open(new KernelRoot());
using board = PowerBoard.create(registry.meters, path);
const read = registry.reader(registry.meters.map(({ name }) => name));

async function run(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], env: { ...env, NODEOS_POWER_BOARD: path } }).output();
  return `${new TextDecoder().decode(stdout)}${new TextDecoder().decode(stderr)}${code}`;
}

board.publish(read());
const timer = setInterval(() => board.publish(read()), 10);
// One period, so that there is power.
await new Promise((resolve) => setTimeout(resolve, 50));
const listed = await run("papi_native_avail", ["-sde", library], {});
const counted = await run("papi_command_line", events, { LD_PRELOAD: library });
clearInterval(timer);
const limit = registry.snapshot(["package0/power-limit"]).values[0];
console.log(JSON.stringify({ events: board.events.map(({ name }) => name), listed, counted, limit }));
