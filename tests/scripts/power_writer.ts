/** Sets power on the machine that it sees, says so, and waits to be ended: `power_writer.ts DIRECTORY NAME VALUE...`. */
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { Policy } from "../../lib/power/access/policy.ts";
import { PowerSession } from "../../lib/power/access/session.ts";
import { Registry } from "../../lib/power/registry.ts";

const [directory, ...settings] = Deno.args;
const kernel = new KernelRoot();
const registry = Registry.open(kernel);
const person = { uid: 0, user: "root", groups: [] };
const session = await PowerSession.open({ kernel, registry, directory, policy: Policy.rootOnly, person });
for (let i = 0; i < settings.length; i += 2) session.set(settings[i], Number(settings[i + 1]));
console.log(Deno.pid);
await new Promise((resolve) => setTimeout(resolve, 60_000));
