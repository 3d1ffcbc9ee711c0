import assert from "node:assert/strict";
import { Node } from "../../lib/container/node.ts";
import type { SchedulingWish } from "../../lib/feature/scheduling.ts";
import { type Facts, guestTest, isGuest, kernel, nodeosOutput, outputIn, probe, read, stateDirectory } from "./guest.ts";

const throttle = "/proc/sys/kernel/sched_rt_runtime_us";
const servers = "/sys/kernel/debug/sched/fair_server";
const hasFairServer = isGuest && kernel.exists(servers);

guestTest("cooperative: the program is FIFO from its first instruction, and nothing throttles it", async () => {
  const files = [throttle, ...hasFairServer ? [3, 4, 5, 6].map((cpu) => `${servers}/cpu${cpu}/runtime`) : []];
  const before = files.map(read);
  const script = `${probe} facts; cat ${files.join(" ")}`;
  const [facts, ...during] = (await nodeosOutput("run", "--cpus", "4-5", "--scheduling", "cooperative", "--", "sh", "-c", script)).trim()
    .split("\n");
  const { policy, priority, allowed } = JSON.parse(facts) as Facts;
  assert.deepEqual({ policy, allowed }, { policy: 1, allowed: [4, 5] });
  assert.ok(priority > 0);
  assert.deepEqual(during, hasFairServer ? ["-1", before[1], "0", "0", before[4]] : ["-1"]);
});

guestTest("cooperative: two containers share the lifted throttle, and the last one to leave puts it back", async () => {
  const node = new Node(kernel, stateDirectory);
  const before = read(throttle);
  const scheduling = { policy: "cooperative", throttle: "lift" } as const;
  await node.up({ containers: [{ name: "a", cpus: [2, 3], scheduling }, { name: "b", cpus: [4, 5], scheduling }] }, "process");
  await node.down(["a"], 0);
  assert.equal(read(throttle), "-1");
  await node.down(["b"], 0);
  assert.equal(read(throttle), before);
});

const deadline: SchedulingWish = { policy: "deadline", runtimeNs: 5_000_000, deadlineNs: 10_000_000, periodNs: 10_000_000 };

guestTest("deadline: a container is a scheduling domain of its own, beside one without load balancing", async () => {
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "a", cpus: [2, 3] }, { name: "b", cpus: [4, 5], scheduling: deadline }] }, "process");
  const { policy, allowed } = JSON.parse(outputIn(node, "b", probe, "facts")) as Facts;
  assert.deepEqual({ policy, allowed }, { policy: 6, allowed: [4, 5] });
  await node.down([], 0);
});
