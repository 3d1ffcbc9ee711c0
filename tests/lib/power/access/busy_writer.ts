/**
 * Sets registers of a machine in a directory again and again, at random, in sessions that come and go, until it is killed; says so when
 * it begins: `busy_writer.ts BASE STATE SEED`.
 */
import { Policy } from "../../../../lib/power/access/policy.ts";
import { PowerSession } from "../../../../lib/power/access/session.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { Noise } from "../../../../lib/power/simulated/random.ts";
import { PowerMachine } from "../machines.ts";

const [base, directory, seed] = Deno.args;
const kernel = new PowerMachine({ files: {} }, base);
const registry = Registry.open(kernel);
const person = { uid: 0, user: "writer", groups: [] };
const noise = new Noise(Number(seed));
const actuators = registry.all.filter(({ isWritable, provider }) => isWritable && provider === "msr");
console.log("set");
for (;;) {
  await using session = await PowerSession.open({ kernel, registry, directory, policy: Policy.rootOnly, person });
  for (let count = noise.fraction() * 20; count > 0; count--) {
    const { name, range: { min, max } } = actuators[Math.floor(noise.fraction() * actuators.length)];
    session.set(name, min + noise.fraction() * (max - min));
  }
}
