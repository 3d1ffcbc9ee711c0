import assert from "node:assert/strict";
import { formatMetrics } from "../../../lib/sidecar/metrics.ts";
import { counterOf, fakeBoard } from "./fake_container.ts";

Deno.test("formatMetrics() has cumulative buckets that end at the count, and outcomes that came", () => {
  const text = formatMetrics("sim", fakeBoard().state(), { openat: counterOf(7) });
  assert.match(text, /^nodeos_syscalls_total\{container="sim",call="openat",action="forwarded"\} 7$/m);
  assert.doesNotMatch(text, /action="denied"/);
  assert.match(text, /^nodeos_syscall_seconds_bucket\{container="sim",call="openat",le="0.000004096"\} 0$/m);
  assert.match(text, /^nodeos_syscall_seconds_bucket\{container="sim",call="openat",le="0.000008192"\} 7$/m);
  assert.match(text, /^nodeos_syscall_seconds_bucket\{container="sim",call="openat",le="\+Inf"\} 7$/m);
  assert.match(text, /^nodeos_syscall_seconds_sum\{container="sim",call="openat"\} 0.000035$/m);
  assert.match(text, /^nodeos_syscall_seconds_count\{container="sim",call="openat"\} 7$/m);
  assert.match(text, /^nodeos_forwarder_up\{container="sim"\} 1$/m);
  assert.ok(text.endsWith("\n"));
});

Deno.test("formatMetrics() escapes the container's name, and says that no forwarder runs", () => {
  const text = formatMetrics('a"b\\c\nd', { ...fakeBoard().state(), forwarderPid: null }, {});
  assert.match(text, /^nodeos_forwarder_up\{container="a\\"b\\\\c\\nd"\} 0$/m);
});
