import assert from "node:assert/strict";
import type { CallCounter } from "../../../lib/syscall/board_picture.ts";
import { countTiers } from "../../../lib/syscall/tiers.ts";

function counter(bucket: number, counts: Partial<CallCounter>): CallCounter {
  const buckets = Array.from({ length: 24 }, (_, index) => index === bucket ? counts.calls ?? 0 : 0);
  const none = { calls: 0, forwarded: 0, returned: 0, allowed: 0, denied: 0, handled: 0, stale: 0, failed: 0, totalNs: 0 };
  return { ...none, p50Ns: null, p99Ns: null, buckets, ...counts };
}

Deno.test("countTiers() adds up the calls of each verdict, most first, with the latency of all of them", () => {
  const tiers = countTiers([
    { call: "mkdirat", action: "forward", counter: counter(5, { calls: 1, forwarded: 1, failed: 1 }) },
    { call: "newfstatat", action: "forward", counter: counter(4, { calls: 99, forwarded: 90, returned: 9, failed: 2 }) },
    { call: "ptrace", action: "deny", errno: "EPERM", counter: counter(2, { calls: 2, denied: 2 }) },
    { call: "bpf", action: "deny", errno: "ENOSYS", counter: counter(2, { calls: 3, denied: 3 }) },
    { call: "read", action: "allow", counter: counter(2, {}) },
  ]);
  assert.deepEqual(tiers, [
    { action: "forward", calls: ["newfstatat", "mkdirat"], made: 100, forwarded: 91, returned: 9, failed: 3, p50Ns: 6165, p99Ns: 8192 },
    { action: "deny:ENOSYS", calls: ["bpf"], made: 3, forwarded: 0, returned: 0, failed: 0, p50Ns: 1536, p99Ns: 2038 },
    { action: "deny:EPERM", calls: ["ptrace"], made: 2, forwarded: 0, returned: 0, failed: 0, p50Ns: 1536, p99Ns: 2038 },
  ]);
});

Deno.test("countTiers() of no calls is empty", () => {
  assert.deepEqual(countTiers([]), []);
});
