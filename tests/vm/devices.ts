import assert from "node:assert/strict";
import { readDeviceFilter } from "../../ffi/device_filter.ts";
import { wait } from "../../ffi/launch.ts";
import { Node } from "../../lib/container/node.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { holdingOf } from "../../lib/plan/ledger.ts";
import { delay, guestTest, isGuest, kernel, nodeosOutput, stateDirectory } from "./guest.ts";

// Before the tests: what a test loads, it has to unload.
if (isGuest) readDeviceFilter("/proc/none");

const all = "null kmsg mem";

/** Opens devices again and again, and writes the number of the round and which could be opened. */
const prober = `
  round=0
  while :; do
    found=
    for name in ${all}; do (: </dev/$name) 2>/dev/null && found="$found $name"; done
    round=$((round + 1))
    echo "$round$found" >/tmp/devices.new && mv /tmp/devices.new /tmp/devices
  done`;

/** What a prober could open in a round that began after now. */
async function opened(): Promise<string> {
  const look = () => {
    try {
      const [round, ...names] = Deno.readTextFileSync("/tmp/devices").trim().split(" ");
      return { round: Number(round), names: names.join(" ") };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return { round: 0, names: "" };
      throw error;
    }
  };
  const start = look().round;
  while (look().round < start + 2) await delay(5);
  return look().names;
}

/** Whether the kernel has a filter of ours that was compiled; what is freed goes a moment later. */
const hasFilter = () => kernel.read("/proc/kallsyms").includes("_nodeos_devices");

/** The tests of the feature `devices`, for guests of either version of cgroups. */
export function testDevices(version: 1 | 2): void {
  guestTest("devices: a program opens the harmless ones and what is listed, and is refused all others", async () => {
    const node = new Node(kernel, stateDirectory);
    await node.up({ containers: [{ name: "sim", cpus: [4], devices: ["/dev/kmsg"] }] }, "persistent");
    const script =
      "exec 2>&1; : </dev/null; : </dev/zero; : </dev/kmsg; (: </dev/mem); (: </dev/rtc0); mknod /tmp/node c 1 3 && rm /tmp/node && echo end";
    const out = await nodeosOutput("exec", "sim", "--", "/bin/sh", "-c", script);
    assert.match(out, /^.*\/dev\/mem: Operation not permitted\n.*\/dev\/rtc0: Operation not permitted\nend\n$/);
    assert.deepEqual(node.verify().flatMap(({ drift }) => drift), []);
    await node.down([], 0);
  });

  guestTest("devices: what a program may open is switched 50 times while it runs, and nothing is left", async () => {
    const node = new Node(kernel, stateDirectory);
    await node.up({ containers: [{ name: "sim", cpus: [4] }] }, "persistent");
    const program = node.start("sim", { argv: ["/bin/sh", "-c", prober] });
    assert.equal(await opened(), all);
    const switchTo = (devices: readonly string[] | null) =>
      node.change((_, ledger) => [{ ...holdingOf(ledger, "sim")!.spec as ContainerSpec, devices }]);
    for (let round = 0; round < 25; round++) {
      const [device, found] = round % 2 === 0 ? ["/dev/kmsg", "null kmsg"] : ["/dev/mem", "null mem"];
      await switchTo([device]);
      assert.equal(await opened(), found);
      assert.deepEqual(node.verify().flatMap(({ drift }) => drift), []);
      if (round === 0 && version === 2) assert(hasFilter());
      await switchTo(null);
      assert.equal(await opened(), all);
    }
    await node.down([], 0);
    wait(program);
    Deno.removeSync("/tmp/devices");
    for (let tries = 0; hasFilter(); tries++) {
      assert(tries < 20, "the kernel still has a filter");
      await delay(200);
    }
  });
}
