import assert from "node:assert/strict";
import { cgroupInode, pageBytes } from "../../../../ffi/frames.ts";
import { hierarchyOf, readCgroupLayout } from "../../../../lib/kernel/cgroup.ts";
import { countFrames, mergeRuns } from "../../../../lib/memory/frame_runs.ts";
import { runningFrames } from "../../../../lib/memory/audit/running_frames.ts";
import { readNodeFrames } from "../../../../lib/memory/zones.ts";
import { live } from "../../../machines/live.ts";

const reader = runningFrames(live);
const cannot = Deno.uid() !== 0 ? "needs root" : live.exists("/proc/kpagecgroup") ? null : "needs /proc/kpagecgroup";
// The library is open from here on: within a test it would count as a leak.
if (cannot === null) reader.processFrames(Deno.pid);
live.memory.file("/run/nodeos/memory");
cgroupInode("/sys");
pageBytes();

function test(name: string, fn: () => void): void {
  Deno.test({ name: `runningFrames() ${name}${cannot === null ? "" : ` [${cannot}]`}`, ignore: cannot !== null, fn });
}

test("finds frames of a process on the nodes of the machine, mapped and charged to somebody", () => {
  const own = new Uint8Array(8 * 2 ** 20).fill(1);
  const runs = reader.processFrames(Deno.pid);
  assert.ok(runs !== "hidden");
  const anonymous = mergeRuns(runs.filter(({ kind }) => kind === "anonymous"));
  assert.ok(countFrames(anonymous) * pageBytes() >= own.length);
  const nodes = mergeRuns([...readNodeFrames(live).values()].flat());
  assert.ok(anonymous.every(({ frame, count }) => nodes.some((node) => frame >= node.frame && frame + count <= node.frame + node.count)));
  const owners = [...reader.countOwners(anonymous).values()];
  assert.equal(owners.reduce((sum, { anonymousCount, otherCount }) => sum + anonymousCount + otherCount, 0), countFrames(anonymous));
  // Some may have been given back in the meantime.
  assert.ok(owners.reduce((sum, { anonymousCount }) => sum + anonymousCount, 0) > countFrames(anonymous) / 2);
  assert.ok(anonymous.reduce((sum, run) => sum + reader.countMappings(run)!, 0) > countFrames(anonymous) / 2);
  assert.equal(own[own.length - 1], 1);
});

test("finds nothing of who is not there", () => {
  assert.deepEqual(reader.processFrames(2 ** 22 - 1), []);
  assert.equal(reader.fileFrames("/run/nodeos/memory/nobody/4KiB-node0/halo"), null);
  assert.equal(reader.deviceFrames("dax99.0"), null);
});

Deno.test("cgroupInode() is what stat says of a cgroup, and null where there is none", () => {
  const mount = hierarchyOf(readCgroupLayout(live), "memory")?.mount ?? "/sys";
  assert.equal(cgroupInode(mount), Deno.statSync(mount).ino);
  assert.equal(cgroupInode(`${mount}/nodeos-nobody`), null);
});
