import assert from "node:assert/strict";
import { guestTest, nodeos, nodeosOutput, probe } from "./guest.ts";

const mib = 2 ** 20;

guestTest("memory comes from the container's NUMA nodes only", async () => {
  const line = await nodeosOutput("run", "--cpus", "4", "--nodes", "3", "--memory", "256MiB", "--", probe, "take", "64");
  const bytes = new Map([...line.matchAll(/N(\d+)=(\d+)/g)].map(([, node, count]) => [Number(node), Number(count)]));
  assert.ok(bytes.get(3)! >= 64 * mib && bytes.get(3)! < 80 * mib, line);
  for (const node of [0, 1, 2]) assert.equal(bytes.get(node), 0, line);
});

guestTest("a program that takes more memory than its container has is killed, and nobody else", async () => {
  const { code, out } = await nodeos("run", "--cpus", "4", "--memory", "64MiB", "--", probe, "take", "96");
  assert.deepEqual({ code, out }, { code: 137, out: "" });
});

guestTest("a program that forks for ever meets its container's limit", async () => {
  const text = await nodeosOutput("run", "--cpus", "4", "--pids", "8", "--", probe, "fork", "100");
  assert.deepEqual(JSON.parse(text), { forked: 7, error: 11 });
});
