import assert from "node:assert/strict";
import { boardCount, CounterLayout, HeaderLayout, JournalLayout, RefusalLayout } from "../../../lib/syscall/board_layout.ts";
import { decodeCounters, decodeJournal, decodeRefusal, decodeState, refusalAt, regions } from "../../../lib/syscall/board_picture.ts";
import { boardBytes } from "../../../lib/syscall/board_layout.ts";

const region = (name: keyof typeof regions) => new Uint8Array(regions[name].bytes);

Deno.test("regions lie one behind the other, up to the end of the board", () => {
  const { header, policy, counters, journal, refusals } = regions;
  assert(header.at + header.bytes <= policy.at);
  assert.equal(policy.at + policy.bytes, counters.at);
  assert.equal(counters.at + counters.bytes, journal.at);
  assert.equal(journal.at + journal.bytes, refusals.at);
  assert.equal(refusals.at + refusals.bytes, boardBytes);
});

Deno.test("decodeState() says null for what does not run, and for an architecture that we do not know", () => {
  const header = region("header");
  const nothing = decodeState(header);
  assert.deepEqual([nothing.architecture, nothing.forwarderPid, nothing.sidecarPid], [null, null, null]);
  HeaderLayout.write(header, {
    audit_arch: 0xc000003e,
    keeper_pid: 7,
    forwarder_pid: 8,
    sidecar_pid: 9,
    keeper_start_ticks: 1234567890123n,
  });
  const state = decodeState(header);
  assert.deepEqual([state.architecture, state.keeperPid, state.forwarderPid, state.sidecarPid], ["x86_64", 7, 8, 9]);
  assert.equal(state.keeperStartTicks, 1234567890123);
});

Deno.test("decodeCounters() names calls of the architecture, and numbers without a call", () => {
  const counters = region("counters");
  for (const number of [2, 56, 257, 511]) CounterLayout.write(counters, { calls: 1n }, number * CounterLayout.size);
  assert.deepEqual(Object.keys(decodeCounters(counters, "x86_64")), ["open", "clone", "openat", "call 511"]);
  assert.deepEqual(Object.keys(decodeCounters(counters, "aarch64")), ["io_submit", "openat", "call 257", "call 511"]);
});

Deno.test("decodeCounters() leaves out calls that never came, and keeps numbers beyond 32 bits", () => {
  const counters = region("counters");
  assert.deepEqual(decodeCounters(counters, "x86_64"), {});
  CounterLayout.write(counters, { calls: 2n ** 40n, forwarded: 2n ** 40n - 1n, stale: 1n, total_ns: 2n ** 50n, buckets: [0, 2 ** 32 - 1] });
  const { read } = decodeCounters(counters, "x86_64");
  assert.deepEqual([read.calls, read.forwarded, read.stale, read.totalNs], [2 ** 40, 2 ** 40 - 1, 1, 2 ** 50]);
  assert.equal(read.buckets.length, boardCount.buckets);
  assert.equal(read.buckets[1], 2 ** 32 - 1);
  assert.equal(read.p50Ns, 768);
});

Deno.test("decodeCounters() has no latency where none was measured", () => {
  const counters = region("counters");
  CounterLayout.write(counters, { calls: 3n, stale: 3n });
  const { read } = decodeCounters(counters, "x86_64");
  assert.deepEqual([read.p50Ns, read.p99Ns], [null, null]);
});

Deno.test("decodeJournal() lists calls in flight; only an answered one has a result", () => {
  const journal = region("journal");
  assert.deepEqual(decodeJournal(journal, "x86_64"), []);
  const write = (slot: number, fields: Parameters<typeof JournalLayout.write>[1]) =>
    JournalLayout.write(journal, fields, slot * JournalLayout.size);
  const id = 2n ** 64n - 1n;
  write(0, { state: 0, call: 1 });
  write(3, { state: 2, id, call: 257, tid: 42, listener: 2, arguments: [id, 1n, 2n, 3n, 4n, 5n], result: -5n, received_ns: 2n ** 60n });
  write(4, { state: 6, call: 1 });
  write(511, { state: 3, call: 500, result: -2n });
  const [running, answered, ...more] = decodeJournal(journal, "x86_64");
  assert.deepEqual(running, {
    slot: 3,
    state: "running",
    listener: 2,
    id,
    call: "openat",
    tid: 42,
    arguments: [id, 1n, 2n, 3n, 4n, 5n],
    result: null,
    receivedNs: 2n ** 60n,
  });
  assert.deepEqual([answered.slot, answered.state, answered.call, answered.result], [511, "answered", "call 500", -2n]);
  assert.deepEqual(more, []);
});

Deno.test("decodeRefusal() reads names of threads up to the first zero, or all sixteen letters", () => {
  const refusals = region("refusals");
  const at = refusalAt(300);
  assert.equal(at, (300 - 256) * RefusalLayout.size);
  RefusalLayout.write(refusals, { number: 300n, time_ns: 1_700_000_000_123_000_000n, call: 101, tid: 9, error: 1, listener: 3 }, at);
  const nameAt = at + RefusalLayout.offsets.command;
  refusals.set(new TextEncoder().encode("sim\0rubbish"), nameAt);
  assert.deepEqual(decodeRefusal(refusals, 300, "x86_64"), {
    number: 300,
    timeMs: 1_700_000_000_123,
    call: "ptrace",
    tid: 9,
    errno: "EPERM",
    listener: 3,
    command: "sim",
  });
  refusals.set(new TextEncoder().encode("0123456789abcdefX"), nameAt);
  assert.equal(decodeRefusal(refusals, 300, "x86_64").command, "0123456789abcdef");
  refusals.set([0xff, 0x41, 0], nameAt);
  assert.equal(decodeRefusal(refusals, 300, "x86_64").command, "\ufffdA");
});
