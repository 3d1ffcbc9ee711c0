import assert from "node:assert/strict";
import { clockNs } from "../../../../ffi/mod.ts";
import { sendSignal } from "../../../../ffi/task.ts";
import { restorePower } from "../../../../lib/power/access/journal.ts";
import { PowerSession } from "../../../../lib/power/access/session.ts";
import { currentWriter, endWriter } from "../../../../lib/power/access/writer.ts";
import { alice, Site, writerOf } from "./site.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
assert.equal(sendSignal(Deno.pid, 0n, 0), false);
{
  using site = new Site();
  site.registry.plan("package0/power-limit", 100);
}

Deno.test("currentWriter() says who sets power, and what it set, from the first to the last moment", async () => {
  using site = new Site();
  assert.equal(currentWriter(site.machine, site.directory), null);
  const session = await PowerSession.open(site.options(alice));
  assert.deepEqual(currentWriter(site.machine, site.directory), { pid: Deno.pid, who: "alice", steps: [] });
  session.set("package0/power-limit", 110);
  const { pid, steps } = currentWriter(site.machine, site.directory)!;
  assert.deepEqual([pid, steps.map(({ what }) => what)], [Deno.pid, ["msr:0:0x610:0x1ffff"]]);
  await session.end();
  assert.equal(currentWriter(site.machine, site.directory), null);
});

for (
  const [how, graceMs, why] of [["at once", 0, "there is no time of grace"], [
    "after the time of grace",
    200,
    "it does not take SIGTERM",
  ]] as const
) {
  Deno.test(`endWriter() ends the writer ${how} when ${why}, and leaves its settings to restorePower()`, async () => {
    using site = new Site();
    const before = site.machine.state();
    const child = await writerOf(site, "package0/power-limit", "100");
    if (graceMs > 0) await stopProcess(child.pid);
    await endWriter(site.machine, site.directory, graceMs);
    assert.equal((await child.status).signal, "SIGKILL");
    assert.equal(currentWriter(site.machine, site.directory)?.pid, null);
    assert.notEqual(site.machine.state(), before);
    assert.equal((await restorePower(site.machine, site.directory)).steps.length, 1);
    assert.equal(site.machine.state(), before);
    await endWriter(site.machine, site.directory, graceMs);
  });
}

/** A process that is stopped takes SIGTERM only when it goes on. */
async function stopProcess(pid: number): Promise<void> {
  Deno.kill(pid, "SIGSTOP");
  while (!/^\S+ \(.*\) T/.test(await Deno.readTextFile(`/proc/${pid}/stat`))) await new Promise((resolve) => setTimeout(resolve, 5));
}
