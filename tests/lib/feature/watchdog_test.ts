import assert from "node:assert/strict";
import { watchdog } from "../../../lib/feature/watchdog.ts";
import { linesOf } from "./scene.ts";

const mask = "/proc/sys/kernel/watchdog_cpumask";
const watching = (cpus: string, on = "1") => ({ "/proc/sys/kernel/watchdog": `${on}\n`, [mask]: `${cpus}\n` });

Deno.test("watchdog away takes the container's CPUs out of the mask and nothing else, CPUs that are not there included", () => {
  assert.deepEqual(linesOf(watchdog, watching("0-7")), [`${mask} <- 0-1,4-7`]);
  assert.deepEqual(linesOf(watchdog, watching("0-255"), { cpus: [0, 9] }), [`${mask} <- 1-8,10-255`]);
  assert.deepEqual(linesOf(watchdog, watching("0-2")), [`${mask} <- 0-1`]);
});

Deno.test("watchdog away starts from what was watched before us, not from what an earlier plan left", () => {
  const request = { cpus: [3], originals: { [mask]: "0-7" } };
  assert.deepEqual(linesOf(watchdog, watching("0-1,4-7"), request), [`${mask} <- 0-2,4-7`]);
});

Deno.test("watchdog away never writes an empty mask, which would switch the detector off", () => {
  assert.deepEqual(linesOf(watchdog, watching("2-3")), [`${mask} <- 0-1,4-7`]);
});

Deno.test("watchdog away changes nothing where the detector is off, watches nothing, or is not built in", () => {
  assert.deepEqual(linesOf(watchdog, watching("0-7", "0")), []);
  assert.deepEqual(linesOf(watchdog, watching("")), []);
  assert.deepEqual(linesOf(watchdog, {}), []);
});
