import assert from "node:assert/strict";
import { timerMigration } from "../../../lib/feature/timer_migration.ts";
import { leftOf, linesOf } from "./scene.ts";

const path = "/proc/sys/kernel/timer_migration";
const on = (release: string) => ({ [path]: "1\n", "/proc/sys/kernel/osrelease": `${release}\n` });

Deno.test("timerMigration off writes 0", () => {
  assert.deepEqual(linesOf(timerMigration, on("6.1.0-50-amd64")), [`${path} <- 0`]);
});

Deno.test("timerMigration has nothing to change and nothing to leave on a kernel without it", () => {
  assert.deepEqual(linesOf(timerMigration, {}), []);
  assert.deepEqual(leftOf(timerMigration, {}), []);
});

Deno.test("timerMigration leaves timers that are armed already", () => {
  const [armed, ...rest] = leftOf(timerMigration, on("6.1.0-50-amd64"));
  assert.match(armed, /^timers armed before on CPUs 2-3: they stay until they expire/);
  assert.deepEqual(rest, []);
});

Deno.test("timerMigration leaves, from 6.9 on, the work for CPUs that sleep; from 6.19 on isolated partitions are spared", () => {
  for (const release of ["6.9.0", "6.18.3", "6.19.0", "7.2.12+deb13-amd64"]) {
    const [, remote] = leftOf(timerMigration, on(release));
    assert.match(remote, /^timers of CPUs that sleep: .* CPUs 2-3 may be that one$/);
    assert.equal(/no isolated partition/.test(remote), !/^6\.(9|18)\./.test(release), release);
  }
});
