import assert from "node:assert/strict";
import { errno, errnoText, SysError } from "../../../ffi/errors.ts";
import { formatValue, reasonOf } from "../../../lib/power/meter.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
errnoText(1);

Deno.test("reasonOf() is a clause for people", () => {
  assert.equal(reasonOf(new SysError("read x", errno.ENXIO)), "its CPU is off");
  assert.match(reasonOf(new SysError("read x", errno.EACCES)), /^it is not permitted: it needs root/);
  assert.equal(reasonOf(new Deno.errors.PermissionDenied("no")), reasonOf(new SysError("read x", errno.EACCES)));
  assert.match(reasonOf(new SysError("read x", errno.EBUSY)), /^could not read x: EBUSY/);
  assert.equal(reasonOf(new Error("a captured machine counts nothing")), "a captured machine counts nothing");
});

Deno.test("formatValue() has the unit behind the number", () => {
  assert.deepEqual([formatValue(1.5, "W"), formatValue(40, "degC"), formatValue(3, "count")], ["1.5 W", "40 °C", "3"]);
});
