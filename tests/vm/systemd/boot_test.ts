import assert from "node:assert/strict";
import { Node } from "../../../lib/container/node.ts";
import { Bystander, cgroups, delay, guestTest, kernel, outputIn, probe, read, stateDirectory } from "../guest.ts";

/** Runs systemctl, which must succeed, and returns what it printed. */
async function systemctl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("systemctl", { args, stdin: "null" }).output();
  assert.equal(code, 0, `systemctl ${args.join(" ")} ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

guestTest("systemd is the first process, and nothing of it failed", async () => {
  assert.equal(read("/proc/1/comm"), "systemd");
  assert.equal(await systemctl("is-system-running"), "running");
  assert.equal(read("/proc/self/cgroup"), "0::/system.slice/job.service");
  const slices = kernel.list(cgroups).filter(({ kind }) => kind === "directory").map(({ name }) => name);
  assert.deepEqual(slices, ["init.scope", "system.slice", "user.slice"]);
});

guestTest("systemctl set-property moves a slice at once, and takes it back", async () => {
  const file = `${cgroups}/system.slice/cpuset.cpus`;
  const allowed = () => /^Cpus_allowed_list:\s*(.*)$/m.exec(read("/proc/self/status"))![1];
  const give = (cpus: string) => systemctl("set-property", "--runtime", "system.slice", `AllowedCPUs=${cpus}`);
  await give("0-1");
  assert.deepEqual([read(file), allowed()], ["0-1", "0-1"]);
  // Without a limit systemd turns the controller off. Where another slice had no limit, 7.2 then leaves the tasks on the
  // CPUs that they had: it looks at the first of all tasks only.
  await give("0-7");
  assert.deepEqual([read(file), allowed()], ["0-7", "0-7"]);
  await give("");
  for (let tries = 0; tries < 50 && kernel.exists(file); tries++) await delay(100);
  assert.deepEqual([kernel.tryRead(file), allowed()], [null, "0-7"]);
});

guestTest("up, exec, down: a container beside systemd's slices", async () => {
  await using bystander = await new Bystander("1").ready();
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "sim", cpus: [4, 5], memoryBytes: 2 ** 28 }] }, "persistent");
  assert.equal(read(`${cgroups}/cpuset.cpus.effective`), "0-3,6-7");
  const { cgroup, allowed } = JSON.parse(outputIn(node, "sim", probe, "facts"));
  assert.deepEqual({ cgroup, allowed }, { cgroup: "0::/nodeos-sim", allowed: [4, 5] });
  await node.down(["sim"], 0);
  assert.equal(bystander.allowedCpus, "1");
});
