import assert from "node:assert/strict";
import { NoSuchObjectError, RefusedError, UsageError } from "../../lib/errors.ts";
import type { Attribution } from "../../lib/noise/attribution.ts";
import type { NoiseRequest, NoiseSamples } from "../../lib/noise/sample.ts";
import type { Context } from "../../scripts/context.ts";
import type { Flags } from "../../scripts/noise/command.ts";
import type { Site } from "../../scripts/noise/launch.ts";
import { report } from "../../scripts/noise/run.ts";
import { noiseCharts } from "../../scripts/noise_charts.ts";

const flags: Flags = { mode: "detour", seconds: 1, quantum: 100, threshold: 1, json: false };

const tick: Attribution = { source: "LOC Local timer interrupts", kind: "interrupt", count: 250, perSecond: 250 };

function samplesOf(mode: "fwq" | "detour", more: Partial<NoiseSamples> = {}): NoiseSamples {
  const lengthsNs = mode === "fwq" ? [100_000, 100_100, 112_000] : [2000, 12_000, 350_000];
  return {
    mode,
    durationNs: 1e9,
    quantumNs: 1e5,
    thresholdNs: 1000,
    lostNs: 364_000,
    minimumNs: mode === "fwq" ? 100_000 : 10,
    truncatedCount: 0,
    startNs: 1,
    voluntarySwitches: 0,
    involuntarySwitches: 2,
    clock: "tsc",
    locked: true,
    offsetsNs: Float64Array.of(0, 1e6, 2e6),
    lengthsNs: Float64Array.from(lengthsNs),
    ...more,
  };
}

/** Runs the command at a site that answers at once. */
function run(
  given: Partial<Flags>,
  { samples = {}, attributions = [tick] }: { samples?: Partial<NoiseSamples>; attributions?: Attribution[] } = {},
) {
  const requests: NoiseRequest[] = [];
  const documents: Record<string, unknown>[] = [];
  const [out, err]: string[][] = [[], []];
  const context: Pick<Context, "print" | "say" | "json"> = {
    print: (text) => out.push(text),
    say: (text) => err.push(text),
    json: (document) => documents.push(document),
  };
  const site: Site = {
    cpus: [2, 3, 5],
    measure(request) {
      requests.push(request);
      return { samples: samplesOf(request.mode, samples), attributions };
    },
  };
  report(context, { ...flags, ...given }, site);
  return { requests, documents, out: out.join("\n"), err: err.join("\n") };
}

Deno.test("noise samples the last CPU, in nanoseconds", () => {
  const { requests } = run({ seconds: 0.5, quantum: 50, threshold: 2.5 });
  assert.deepEqual(requests, [{ mode: "detour", cpu: 5, durationNs: 5e8, quantumNs: 5e4, thresholdNs: 2500 }]);
});

Deno.test("noise prints a table, what ran there, and what it means", () => {
  const { out, err } = run({ cpu: 3 });
  assert.equal(
    out,
    [
      "MODE       LOST  PER SECOND    P50     P90     P99   P99.9  P99.99  LONGEST",
      "detour  0.036 %           3  12 us  350 us  350 us  350 us  350 us   350 us",
      "",
      "RAN THERE                   KIND       COUNT  PER SECOND  TIME",
      "LOC Local timer interrupts  interrupt    250         250",
      "",
      "CPU 3 was elsewhere for 0.036 % of 1 s, 3 times per second; the longest absence took 350 us. " +
      "Most of that is the kernel's timer tick, 250 per second: only nohz_full at boot takes it away.",
    ].join("\n"),
  );
  assert.match(err, /Sampling CPU 3 for 1 s \(detour\)/);
});

Deno.test("noise --mode both samples twice and shows two rows", () => {
  const { requests, out } = run({ mode: "both" });
  assert.deepEqual(requests.map(({ mode }) => mode), ["fwq", "detour"]);
  assert.match(out, /^fwq .*\ndetour /m);
});

Deno.test("noise --json prints one document with units in its keys", () => {
  const { documents, out } = run({ json: true, mode: "both" });
  assert.equal(out, "");
  const [{ cpu, container, runs }] = documents as [{ cpu: number; container: null; runs: Record<string, unknown>[] }];
  assert.deepEqual([cpu, container, runs.length], [5, null, 2]);
  assert.equal(runs[1].lostNs, 364_000);
  assert.deepEqual(runs[1].attributions, [tick]);
  assert.ok(!("lengthsNs" in runs[1]), "the samples themselves would be millions");
  const text = JSON.stringify(documents[0]);
  assert.doesNotMatch(text, /NaN|undefined/);
});

Deno.test("noise refuses a CPU that is not there to choose, before it samples", () => {
  assert.throws(() => run({ cpu: 4 }), (error) => {
    assert.ok(error instanceof NoSuchObjectError);
    assert.match(error.message, /^Cannot sample CPU 4: it is none of those that this process may run on$/);
    assert.equal(error.remedy, "Choose from 2-3,5");
    return true;
  });
  assert.throws(() => run({ cpu: 4, container: "sim" }), /none of those that container sim has/);
});

Deno.test("noise writes pictures, with the mode in their names when there are two", () => {
  const directory = Deno.makeTempDirSync();
  try {
    run({ svg: `${directory}/one.svg`, timeline: `${directory}/time` });
    run({ svg: `${directory}/two.svg`, mode: "both" });
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["one.svg", "time", "two-detour.svg", "two-fwq.svg"]);
    for (const name of names) assert.match(Deno.readTextFileSync(`${directory}/${name}`), /^<svg [^]*<\/svg>$/);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("noise prints one picture to stdout instead of the tables", () => {
  assert.match(run({ svg: "-" }).out, /^<svg [^]*<\/svg>$/);
  for (const two of [{ svg: "-", timeline: "-" }, { svg: "-", json: true }, { svg: "-", mode: "both" }] as const) {
    assert.throws(() => run(two), UsageError);
  }
});

Deno.test("noise says why it cannot write a picture", () => {
  assert.throws(() => run({ svg: "/nonexistent/x.svg" }), /^UsageError: Cannot write \/nonexistent\/x.svg: no such file or directory$/);
});

Deno.test({
  name: "noise says where it may not write",
  permissions: { write: false },
  fn() {
    assert.throws(() => run({ svg: "/x.svg" }), (error) => {
      assert.ok(error instanceof RefusedError);
      assert.match(error.remedy ?? "", /--svg - > FILE/);
      return true;
    });
  },
});

for (
  const [what, given, words] of [
    [
      "a thread of others",
      { attributions: [{ source: "load[8]", kind: "task", count: 9, perSecond: 9, timeNs: 3e8 }] },
      /load\[8\] \(up to 300 ms\): a Compute Container keeps it away/,
    ],
    [
      "a bound thread",
      { attributions: [{ source: "kworker[8]", kind: "task", count: 9, perSecond: 9, timeNs: 3e8, isPinned: true }] },
      /it is bound to this CPU/,
    ],
    [
      "the hypervisor",
      { attributions: [{ source: "hypervisor", kind: "steal", count: 9, perSecond: 9, timeNs: 3e8 }] },
      /taken by the hypervisor/,
    ],
    [
      "a device",
      { attributions: [{ source: "36 nic-rx", kind: "interrupt", count: 900, perSecond: 900 }] },
      /interrupts, first of all 36 nic-rx, 900 per second/,
    ],
    ["nobody known", { attributions: [] }, /counters do not explain it/],
    [
      "nothing at all",
      { samples: { lostNs: 0, lengthsNs: new Float64Array(), offsetsNs: new Float64Array() } },
      /^Nothing took CPU 5 away for 1 us or longer in 1 s\.$/m,
    ],
    ["samples without room", { samples: { truncatedCount: 7 } }, /7 samples found no room/],
    ["memory that was not locked", { samples: { locked: false } }, /could not be locked in memory/],
  ] as [string, Parameters<typeof run>[1], RegExp][]
) {
  Deno.test(`noise explains ${what}`, () => {
    assert.match(run({}, given).out, words);
  });
}

Deno.test("noise in a container does not advise a container", () => {
  const attributions: Attribution[] = [{ source: "load[8]", kind: "task", count: 9, perSecond: 9, timeNs: 3e8 }];
  assert.match(run({ container: "sim" }, { attributions }).out, /it shares the container/);
});

Deno.test("noiseCharts() lays two runs over each other", () => {
  const runs = [{ name: "outside", samples: samplesOf("detour") }, { name: "inside", samples: samplesOf("detour", { durationNs: 2e9 }) }];
  for (const svg of Object.values(noiseCharts("Noise", runs))) {
    assert.match(svg, />outside<[^]*>inside</);
    assert.match(svg, /sampled for 2 s/);
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
  }
});
