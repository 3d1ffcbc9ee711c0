import assert from "node:assert/strict";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { clockNs } from "../../ffi/mod.ts";
import { coresLayout, CoresPage, encodeCores } from "../../lib/power/governor/cores_page.ts";
import { compile, Talk } from "./runtime_cores/programs.ts";

const kernel = new KernelRoot();
// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
kernel.exists("/proc/self");

const isAlive = (pid: number) => kernel.exists(`/proc/${pid}`);
const program = compile("follower", "-lnodeos-rt");

/** A page with one program that follows, and a wish that counts. */
async function withProgram(fn: (page: CoresPage, talk: Talk) => Promise<void>): Promise<void> {
  using page = new CoresPage("/dev/shm", 16);
  page.renew(clockNs());
  await using talk = new Talk(program, { NODEOS_CORES: page.path });
  await fn(page, talk);
}

/** Writes to the page as a program may that does not keep to the rules. */
function scribble(page: CoresPage, at: number, bytes: Uint8Array): void {
  using file = Deno.openSync(page.path, { write: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(bytes);
}

Deno.test("both sides of the page agree where what lies", async () => {
  const { coresMaxAt, wishAt, leaseAt, beatsAt, slotsAt, slotBytes, answerAt, beatTimesAt } = coresLayout;
  await withProgram(async (_, talk) => {
    assert.deepEqual(await talk.ask("layout 0"), [coresMaxAt, wishAt, leaseAt, beatsAt, slotsAt, slotBytes, answerAt, beatTimesAt]);
  });
});

Deno.test("a program sees the wish, and its answer is seen with the wish that it is for", async () => {
  await withProgram(async (page, talk) => {
    assert.deepEqual(await talk.ask("wanted 0"), [0], "nothing is wanted yet");
    page.ask({ request: 1, wantedCores: 7 });
    assert.deepEqual(await talk.ask("wanted 0"), [7]);
    page.ask({ request: 2, wantedCores: 5 });
    await talk.ask("active 7");
    assert.deepEqual([...page.read(clockNs(), isAlive).answers], [[talk.pid, { request: 1, cores: 7 }]], "it has not seen the second wish");
    assert.deepEqual(await talk.ask("wanted 0"), [5]);
    await talk.ask("active 5");
    assert.deepEqual([...page.read(clockNs(), isAlive).answers.values()], [{ request: 2, cores: 5 }]);
  });
});

Deno.test("a wish ends with its governor, also with one that was killed", async () => {
  await withProgram(async (page, talk) => {
    page.ask({ request: 1, wantedCores: 7 });
    assert.deepEqual(await talk.ask("wanted 0"), [7]);
    page.renew(clockNs() - 10_000_000_000n);
    assert.deepEqual(await talk.ask("wanted 0"), [0], "nobody has renewed it");
    page.renew(clockNs());
    assert.deepEqual(await talk.ask("wanted 0"), [7]);
    page[Symbol.dispose]();
    assert.deepEqual(await talk.ask("wanted 0"), [0]);
  });
});

Deno.test("processes share what is wanted, each at least one core; what a killed one had is for the others", async () => {
  await withProgram(async (page, first) => {
    page.ask({ request: 1, wantedCores: 3 });
    assert.deepEqual(await first.ask("wanted 0"), [3]);
    await using second = new Talk(program, { NODEOS_CORES: page.path });
    assert.deepEqual(await second.ask("wanted 0"), [1]);
    assert.deepEqual(await first.ask("wanted 0"), [2]);
    assert.deepEqual(await first.ask("fork 0"), [1], "a child has a part of its own");
    await first.ask("layout 0"); // By now it has ended.
    assert.equal(page.read(clockNs(), isAlive).answers.size, 2, "and leaves none behind");
    assert.deepEqual(await first.ask("wanted 0"), [2]);
    await second.kill();
    page.read(clockNs(), isAlive);
    assert.deepEqual(await first.ask("wanted 0"), [3]);
  });
});

Deno.test("heartbeats come with the time at which they were, each once, and no more than there is room for", async () => {
  await withProgram(async (page, talk) => {
    const beforeNs = clockNs();
    for (let beat = 0; beat < 3; beat++) await talk.ask("beat 0");
    const { beatsNs } = page.read(clockNs(), isAlive);
    assert.equal(beatsNs.length, 3);
    assert.ok(beatsNs.every((ns, index) => ns >= (index === 0 ? beforeNs : beatsNs[index - 1]) && ns <= clockNs()));
    assert.equal(page.read(clockNs(), isAlive).beatsNs.length, 0);
    for (let beat = 0; beat < 300; beat++) await talk.ask("beat 0");
    assert.equal(page.read(clockNs(), isAlive).beatsNs.length, coresLayout.beatCount);
  });
});

Deno.test("a program takes half of a wish, and a page that is none, for no wish", async () => {
  await withProgram(async (page, talk) => {
    const torn = encodeCores(2, 7) & 0xffffffffn | encodeCores(1, 300) & ~0xffffffffn;
    scribble(page, coresLayout.wishAt, new Uint8Array(BigUint64Array.of(torn).buffer));
    assert.deepEqual(await talk.ask("wanted 0"), [0]);
    for (const NODEOS_CORES of ["", "/nonexistent", "/dev/zero", program]) {
      await using other = new Talk(program, { NODEOS_CORES });
      assert.deepEqual(await other.ask("wanted 0"), [0]);
      await other.ask("active 3");
      await other.ask("beat 0");
    }
  });
});
