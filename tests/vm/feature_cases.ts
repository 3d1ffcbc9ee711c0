import assert from "node:assert/strict";
import { wait } from "../../ffi/launch.ts";
import { Node } from "../../lib/container/node.ts";
import { decideSwitch, type Switch } from "../../lib/container/switch.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { nodeFeatures, quietPreset } from "../../lib/feature/node_features.ts";
import { isKernelBefore } from "../../lib/kernel/release.ts";
import { delay, guestTest, kernel, nodeosCommand, probe, stateDirectory } from "./guest.ts";
import { differences, nodeState } from "./state.ts";

/** How often each is switched: on older kernels, where the same code ran as often before, less unless somebody asks for more. */
const toggles = Number(Deno.env.get("NODEOS_TOGGLES") ?? (isKernelBefore(kernel, 7, 0) ? 12 : 50));
/** A command takes about that long from its first trace to its end, in emulation. */
const latestMs = 3000;

/** Features that move something; the others are settings. */
const moving = ["tasks", "kernelThreads", "irqs"];

const request = { serviceCpus: [0, 1], containers: [{ name: "sim", cpus: [4, 5] }] };

/** What a guest has nothing for: cpufreq in none, and hardware threads in the variant smt only. */
const nothingHere = ["frequency", "smtSiblings"];

/** ksmd does not run unless somebody starts it: one that stands still could not be stopped. */
function startKsmd(): Disposable {
  const run = "/sys/kernel/mm/ksm/run";
  const before = kernel.read(run).trim();
  kernel.write(run, "1");
  return { [Symbol.dispose]: () => kernel.write(run, before) };
}

/** Switches features on and off while a program runs, and compares the node each time with what it was. */
export function switchingTest(names: readonly string[], cpus: readonly number[]): void {
  guestTest(
    `features ${names.join(", ")}: each on and off ${toggles} times while a program runs, verified, and back after down`,
    async () => {
      using _ksmd = startKsmd();
      const node = new Node(kernel, stateDirectory);
      await node.up({ serviceCpus: [0, 1], containers: [{ name: "sim", cpus }] }, "persistent");
      const program = node.start("sim", { argv: [probe, "pulse", "2"] });
      const off = nodeState();
      for (const name of names) {
        for (let time = 0; time < toggles; time++) {
          await switchTo(node, name, true);
          if (time === 0) assert.ok(node.ledger().node?.steps.some(({ refused }) => !refused), `${name} changes something here`);
          if (time % 10 === 0) assert.deepEqual(node.verifyNode(), [], `${name} verified on, time ${time}`);
          await switchTo(node, name, false);
        }
        assert.deepEqual(differences(off, nodeState()), [], `${name} off, as before`);
      }
      assert.ok(kernel.exists(`/proc/${program.pid}/task`), "the program runs");
      await node.down([], 0);
      wait(program);
    },
  );
}

/** Every feature of the whole node, on the kernel and the cgroups that this guest has. */
export function featureTests(): void {
  const names = nodeFeatures.map(({ name }) => name).filter((name) => !moving.includes(name) && !nothingHere.includes(name));
  for (const name of moving) switchingTest([name], [4, 5]);
  switchingTest(names, [4, 5]);

  guestTest(
    `features scheduling, loadBalancing, swap: each on and off ${toggles} times while a program runs, and back after down`,
    async () => {
      const node = new Node(kernel, stateDirectory);
      await node.up(request, "persistent");
      const program = node.start("sim", { argv: [probe, "pulse", "2"] });
      const off = nodeState();
      const own: readonly Switch[][] = [
        [{ feature: "scheduling", enable: true, scheduling: { policy: "cooperative", throttle: "lift" } }, {
          feature: "scheduling",
          enable: false,
        }],
        [{ feature: "loadBalancing", enable: true }, { feature: "loadBalancing", enable: false }],
        [{ feature: "swap", enable: false }, { feature: "swap", enable: true }],
      ];
      for (const switches of own) {
        for (let time = 0; time < toggles; time++) {
          for (const wanted of switches) {
            await node.change((_, ledger) => [decideSwitch(ledger, "sim", wanted)]);
            assert.deepEqual(node.verify().flatMap(({ drift }) => drift), [], `${wanted.feature}, time ${time}`);
          }
        }
        // A controller that it needed stays with the container until it leaves.
        const changed = differences(off, nodeState()).filter((line) =>
          !/subtree_control|\/memory\.|\/cpu\.|nodeos-(?:sim|rt|service)/.test(line)
        );
        assert.deepEqual(changed, [], `${switches[0].feature} off, as before`);
      }
      assert.ok(kernel.exists(`/proc/${program.pid}/task`), "the program runs");
      await node.down([], 0);
      wait(program);
    },
  );

  guestTest("feature: all of them at once, and kill -9 of the command that switches them", async () => {
    const node = new Node(kernel, stateDirectory);
    await node.up(request, "persistent");
    const before = nodeState();
    for (let moment = 0; moment < 6; moment++) {
      const verb = moment % 2 === 0 ? "enable" : "disable";
      await switchTo(node, "quiet", verb === "disable");
      const child = nodeosCommand(["feature", "sim", verb, "quiet"], "null").spawn();
      const ledger = `${stateDirectory}/ledger.json`;
      const old = textOf(ledger);
      while (textOf(ledger) === old) await delay(1);
      await delay(Math.random() * latestMs);
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
      await child.status;
      const { left } = await node.recover();
      assert.deepEqual(left, []);
      const { quiet } = node.find("sim").spec as ContainerSpec;
      console.log(`killed while it would ${verb} quiet: ${quiet.length} features are on`);
      assert.ok(quiet.length === 0 || quiet.length === quietPreset.length, `all or nothing: ${quiet}`);
      assert.deepEqual(node.verifyNode(), []);
      if (quiet.length === 0) assert.deepEqual(differences(before, nodeState()), []);
    }
    await node.down([], 0);
  }, { killsWriters: true });
}

async function switchTo(node: Node, feature: string, enable: boolean): Promise<void> {
  await node.change((_, ledger) => [decideSwitch(ledger, "sim", { feature, enable })]);
}

/** The text of a file that is replaced now and then. */
function textOf(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
