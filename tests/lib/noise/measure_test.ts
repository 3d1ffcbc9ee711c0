import assert from "node:assert/strict";
import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { launch } from "../../../ffi/launch.ts";
import { getAffinity } from "../../../ffi/task.ts";
import { RefusedError } from "../../../lib/errors.ts";
import { helperPath, measureNoise } from "../../../lib/noise/measure.ts";
import type { NoiseRequest } from "../../../lib/noise/sample.ts";
import { noiseStatistics } from "../../../lib/noise/statistics.ts";

const cpu = getAffinity(0).at(-1)!;
const request: NoiseRequest = { mode: "detour", cpu, durationNs: 50e6, quantumNs: 100e3, thresholdNs: 1000 };

function inTemporary(run: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    run(directory);
    assert.deepEqual([...Deno.readDirSync(directory)], [], "the file of samples is gone");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

// The native functions are registered at their first use and stay: inside a test, that would count as a leak.
measureNoise(new KernelRoot(), { ...request, durationNs: 1e6 }, { directory: "/tmp" });

for (const mode of ["fwq", "detour"] as const) {
  Deno.test(`measureNoise() samples ${mode} on this machine`, () => {
    inTemporary((directory) => {
      const { samples, attributions } = measureNoise(new KernelRoot(), { ...request, mode }, { directory });
      assert.equal(samples.mode, mode);
      assert.ok(samples.durationNs > 49.9e6, "as long as asked for, up to the first calibration of the clock");
      assert.ok(samples.minimumNs > 0);
      assert.ok(samples.lostNs >= 0 && samples.lostNs <= samples.durationNs);
      const end = samples.offsetsNs.at(-1)! + samples.lengthsNs.at(-1)!;
      assert.ok(end <= samples.durationNs + 2, "no sample ends after the end");
      for (const lengthNs of samples.lengthsNs) {
        assert.ok(lengthNs >= (mode === "fwq" ? samples.minimumNs : samples.thresholdNs - 1));
      }
      if (mode === "fwq") assert.ok(Math.abs(end - samples.durationNs) < 1000, "quanta follow each other without a gap");
      const { lostPercent, percentilesNs } = noiseStatistics(samples);
      assert.ok(lostPercent >= 0 && lostPercent <= 100);
      assert.ok(percentilesNs.p50 <= percentilesNs.max);
      for (const { count, perSecond } of attributions) assert.ok(count > 0 && perSecond > 0);
      assert.ok(!attributions.some(({ source }) => source.endsWith(`[${Deno.pid}]`)), "we slept meanwhile");
    });
  });
}

Deno.test("measureNoise() refuses a CPU that it may not run on, and leaves nothing", () => {
  inTemporary((directory) => {
    // The shell keeps the sampler's own words out of the output of the tests.
    const start = (argv: readonly string[]) => launch({ argv: ["/bin/sh", "-c", 'exec "$@" 2>/dev/null', "sh", ...argv, "--cpu=4095"] });
    assert.throws(() => measureNoise(new KernelRoot(), request, { directory, start }), (error) => {
      assert.ok(error instanceof RefusedError);
      assert.match(error.message, /^Cannot sample the noise of CPU \d+: the sampler ended with status 1$/);
      return true;
    });
  });
});

Deno.test("measureNoise() refuses a sampler that was killed", () => {
  inTemporary((directory) => {
    const start = () => launch({ argv: ["/bin/sh", "-c", "kill -KILL $$"] });
    assert.throws(() => measureNoise(new KernelRoot(), request, { directory, start }), /ended by signal 9/);
  });
});

Deno.test("helperPath() names a program that was built", () => {
  assert.ok(Deno.statSync(helperPath()).isFile);
});
