/** Sets power on a machine in a directory, says so, and waits to be killed: `writer.ts BASE STATE NAME VALUE`. */
import { Policy } from "../../../../lib/power/access/policy.ts";
import { PowerSession } from "../../../../lib/power/access/session.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { PowerMachine } from "../machines.ts";

const [base, directory, ...settings] = Deno.args;
const kernel = new PowerMachine({ files: {} }, base);
const registry = Registry.open(kernel);
const person = { uid: 0, user: "writer", groups: [] };
const session = await PowerSession.open({ kernel, registry, directory, policy: Policy.rootOnly, person });
for (let i = 0; i < settings.length; i += 2) session.set(settings[i], Number(settings[i + 1]));
console.log("set");
await new Promise((resolve) => setTimeout(resolve, 60_000));
