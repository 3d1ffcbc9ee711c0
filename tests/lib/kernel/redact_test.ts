import assert from "node:assert/strict";
import {
  redactTask,
  rewriteCgroupPath,
  rewriteCmdline,
  rewriteCpuinfo,
  rewriteModules,
  rewriteMountinfo,
} from "../../../lib/kernel/redact.ts";

Deno.test("rewriteCmdline() keeps parameters of the kernel, and drops the first program with its arguments", () => {
  assert.equal(rewriteCmdline("quiet isolcpus=2-3 rdinit=/agent init=/sbin/x -- --token secret\n"), "quiet isolcpus=2-3\n");
  assert.equal(rewriteCmdline("root=/dev/vda ro\n"), "root=/dev/vda ro\n");
  assert.equal(rewriteCmdline("quiet --\n"), "quiet\n");
});

Deno.test("rewriteCpuinfo() keeps the first processor whole, and of the others what tells them apart", () => {
  const text = "processor\t: 0\nflags\t\t: fpu\ncore id\t\t: 0\n\nprocessor\t: 1\nflags\t\t: fpu\ncore id\t\t: 1\n\n";
  assert.equal(rewriteCpuinfo(text), "processor\t: 0\nflags\t\t: fpu\ncore id\t\t: 0\n\nprocessor\t: 1\ncore id\t\t: 1\n");
});

Deno.test("rewriteMountinfo() keeps kernel file systems only, without the cgroup we are in", () => {
  const text = [
    "22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw",
    "27 1 254:0 / /home/alice rw - ext4 /dev/vda rw",
    "31 23 0:28 /kubepods/pod1234 /sys/fs/cgroup rw - cgroup2 cgroup rw",
    "33 23 0:29 / /mnt/x rw - cgroupish x rw",
    "",
  ].join("\n");
  assert.equal(
    rewriteMountinfo(text),
    "22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw\n31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
  );
});

Deno.test("rewriteCgroupPath() puts us at every root", () => {
  assert.equal(rewriteCgroupPath("3:cpuset:/a/b\n1:name=systemd:/user.slice\n0::/c:d\n"), "3:cpuset:/\n1:name=systemd:/\n0::/\n");
});

Deno.test("rewriteModules() hides addresses", () => {
  assert.equal(rewriteModules("msr 16384 0 - Live 0xffffffffc0a3d000\n"), "msr 16384 0 - Live 0x0\n");
});

const fields = (flags: number) =>
  `S 1 7 7 0 -1 ${flags} 9 9 9 9 100 20 0 0 20 0 3 0 5000 4096000 900 123 140001 140002 140003 0 0 0 0 0 0 0 0 0 17 3 50 1 0 0`;

Deno.test("redactTask() takes a program's name, sizes and addresses away", () => {
  const task = redactTask(`88 (my (secret) prog) ${fields(0x400100)}\n`, "Name:\tmy (secret) prog\nUid:\t1000\nCpus_allowed_list:\t0-3\n");
  assert.equal(task.stat, `88 (user) S 1 0 0 0 0 ${0x400100} 0 0 0 0 100 20 0 0 20 0 3 0 5000 ${"0 ".repeat(15)}17 3 50 1 0 0\n`);
  assert.equal(task.status, "Name:\tuser\nCpus_allowed_list:\t0-3\n");
});

Deno.test("redactTask() leaves kernel threads their names", () => {
  const task = redactTask(`16 (ksoftirqd/0) ${fields(0x04200040)}\n`, "Name:\tksoftirqd/0\nnonvoluntary_ctxt_switches:\t3\n");
  assert.match(task.stat, /^16 \(ksoftirqd\/0\) S 1 /);
  assert.equal(task.status, "Name:\tksoftirqd/0\nnonvoluntary_ctxt_switches:\t3\n");
});
