import assert from "node:assert/strict";
import type { CapturedFiles } from "../../captured.ts";
import { frequency } from "../../../lib/feature/frequency.ts";
import { changesOf, leftOf, linesOf } from "./scene.ts";

const root = "/sys/devices/system/cpu/cpufreq";
const governorOf = (policy: number) => `${root}/policy${policy}/scaling_governor`;

function policy(first: number, cpus: string, governor = "schedutil", available = "performance powersave schedutil"): CapturedFiles {
  return {
    [`${root}/policy${first}/affected_cpus`]: `${cpus}\n`,
    [`${root}/policy${first}/related_cpus`]: `${cpus}\n`,
    [governorOf(first)]: `${governor}\n`,
    [`${root}/policy${first}/scaling_available_governors`]: `${available} \n`,
  };
}

Deno.test("frequency performance sets the governor of each policy that is the container's", () => {
  const machine = { ...policy(0, "0 1"), ...policy(2, "2"), ...policy(3, "3"), ...policy(10, "10") };
  assert.deepEqual(linesOf(frequency, machine), [`${governorOf(2)} <- performance`, `${governorOf(3)} <- performance`]);
});

Deno.test("frequency performance changes a clock that others share, and says whose", () => {
  const changes = changesOf(frequency, { ...policy(0, "0 1 2"), ...policy(3, "3 7") });
  assert.deepEqual(changes.map(({ what, to }) => [what, to]), [[governorOf(0), "performance"], [governorOf(3), "performance"]]);
  assert.match(changes[0].why, /^CPUs 2 at full frequency, and with them CPUs 0-1, which share their clock$/);
  assert.match(changes[1].why, /^CPUs 3 .* CPUs 7,/);
  const [own] = changesOf(frequency, policy(2, "2 3"));
  assert.equal(own.why, "CPUs 2-3 at full frequency");
});

Deno.test("frequency changes nothing where the governor is not to be had, or nothing can be chosen", () => {
  assert.deepEqual(linesOf(frequency, policy(2, "2 3", "powersave", "powersave ondemand")), []);
  assert.deepEqual(linesOf(frequency, { [`${root}/boost`]: "1\n" }), []);
  assert.deepEqual(linesOf(frequency, {}), []);
});

Deno.test("frequency stays planned once it is done", () => {
  const machine = policy(2, "2 3", "performance");
  assert.deepEqual(linesOf(frequency, machine, { originals: { [governorOf(2)]: "schedutil" } }), [`${governorOf(2)} <- performance`]);
});

Deno.test("frequency leaves, and names, what it could not put back: a speed set by hand, settings of one policy", () => {
  const machine = {
    ...policy(2, "2", "userspace"),
    ...policy(3, "3"),
    [`${root}/policy3/schedutil/rate_limit_us`]: "500\n",
  };
  assert.deepEqual(linesOf(frequency, machine), []);
  const [byHand, ofItsOwn, ...rest] = leftOf(frequency, machine);
  assert.match(byHand, /^frequency of CPUs 2: .*userspace/);
  assert.match(ofItsOwn, /^frequency of CPUs 3: governor schedutil has settings/);
  assert.deepEqual(rest, []);
});

Deno.test("frequency leaves nothing where all policies can be changed, settings that all of them share included", () => {
  const machine = { ...policy(2, "2 3"), [`${root}/schedutil/rate_limit_us`]: "500\n" };
  assert.deepEqual(linesOf(frequency, machine), [`${governorOf(2)} <- performance`]);
  assert.deepEqual(leftOf(frequency, machine), []);
});
