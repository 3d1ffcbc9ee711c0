import assert from "node:assert/strict";
import { PrometheusFile, prometheusText, writePrometheus } from "../../../../lib/power/glue/prometheus.ts";
import { RefusedError } from "../../../../lib/errors.ts";
import { energyMeter, meter, snapshotAt } from "../meters.ts";

interface Metric {
  readonly type: string;
  readonly help: string;
  /** Values by their labels, sorted. */
  readonly samples: Record<string, number>;
}

const labelName = "[a-zA-Z_][a-zA-Z0-9_]*", labelText = '"((?:[^"\\\\\\n]|\\\\[\\\\"n])*)"';

/** Reads the text format of Prometheus, version 0.0.4, without timestamps; anything that is not quite right fails. */
function parse(text: string): Record<string, Metric> {
  assert.ok(text.endsWith("\n"), "the last line ends");
  const metrics: Record<string, Metric> = {};
  let open: { name: string; help: string; type?: string } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)+)$/.exec(line);
    if (help !== null) {
      assert.ok(!(help[1] in metrics), `${help[1]} comes twice`);
      open = { name: help[1], help: help[2] };
      continue;
    }
    const type = /^# TYPE (\S+) (counter|gauge)$/.exec(line);
    if (type !== null) {
      assert.equal(type[1], open?.name, line);
      metrics[type[1]] = { type: type[2], help: open!.help, samples: {} };
      continue;
    }
    const sample = new RegExp(`^(\\w+)(?:\\{(${labelName}=${labelText}(?:,${labelName}=${labelText})*)\\})? (\\S+)$`).exec(line);
    assert.ok(sample !== null, line);
    const { samples, type: kind } = metrics[sample[1]] ?? assert.fail(`${line}: no type`);
    assert.equal(sample[1], open?.name, "samples of a family are in one group");
    assert.equal(kind === "counter", sample[1].endsWith("_total"), "counters, and only those, end with _total");
    const labels = sample[2] ?? "";
    assert.ok(!(labels in samples), `${line} comes twice`);
    assert.ok(Number.isFinite(Number(sample.at(-1))), line);
    samples[labels] = Number(sample.at(-1));
  }
  return metrics;
}

const core = { kind: "core", index: 3 } as const;
const meters = [
  energyMeter("package0/energy"),
  meter("package0/power-limit"),
  meter("package1/power-limit", { domain: { kind: "package", index: 1 } }),
  meter("core3/temperature", { unit: "degC", domain: core }),
  meter("package0/awake", { unit: "%" }),
  meter("package0/throttled-seconds", { unit: "s", kind: "counter" }),
  meter("cpu0/preference", { unit: "count", domain: { kind: "cpu", index: 0 } }),
  meter("cpu0/frequency", { unit: "Hz", domain: { kind: "cpu", index: 0 } }),
];
const values = [1234.5, 120, 130.125, 61, 75, 1e-9, 0, 2.4e9];

Deno.test("prometheusText() makes a family of each quantity, in base units", () => {
  const metrics = parse(prometheusText(meters, snapshotAt(1, values)));
  const of = (domain: string, index: number, name: string) => `domain="${domain}",index="${index}",meter="${name}"`;
  assert.deepEqual(
    Object.fromEntries(Object.entries(metrics).map(([name, { type, samples }]) => [name, { type, samples }])),
    {
      nodeos_energy_joules_total: { type: "counter", samples: { [of("package", 0, "package0/energy")]: 1234.5 } },
      nodeos_power_limit_watts: {
        type: "gauge",
        samples: { [of("package", 0, "package0/power-limit")]: 120, [of("package", 1, "package1/power-limit")]: 130.125 },
      },
      nodeos_temperature_celsius: { type: "gauge", samples: { [of("core", 3, "core3/temperature")]: 61 } },
      nodeos_awake_ratio: { type: "gauge", samples: { [of("package", 0, "package0/awake")]: 0.75 } },
      nodeos_throttled_seconds_total: { type: "counter", samples: { [of("package", 0, "package0/throttled-seconds")]: 1e-9 } },
      nodeos_preference: { type: "gauge", samples: { [of("cpu", 0, "cpu0/preference")]: 0 } },
      nodeos_frequency_hertz: { type: "gauge", samples: { [of("cpu", 0, "cpu0/frequency")]: 2.4e9 } },
      nodeos_power_missing_meters: { type: "gauge", samples: { "": 0 } },
      nodeos_power_read_seconds: { type: "gauge", samples: { "": 25e-6 } },
    },
  );
});

Deno.test("prometheusText() has sensors of the node in one family", () => {
  const sensors = ["node/coretemp0-core-2-temperature", "node/x86-pkg-temp0-temperature"].map((name) =>
    meter(name, { unit: "degC", domain: { kind: "node", index: 0 } })
  );
  const { nodeos_temperature_celsius } = parse(prometheusText(sensors, snapshotAt(1, [40, 41])));
  assert.deepEqual(Object.values(nodeos_temperature_celsius.samples), [40, 41]);
});

Deno.test("prometheusText() leaves out what has no value, and its family with the last one", () => {
  const metrics = parse(prometheusText(meters, snapshotAt(1, [null, null, 130, 61, 75, 0, 0, null])));
  assert.ok(!("nodeos_energy_joules_total" in metrics) && !("nodeos_frequency_hertz" in metrics));
  assert.deepEqual(Object.values(metrics.nodeos_power_limit_watts.samples), [130]);
  assert.equal(metrics.nodeos_power_missing_meters.samples[""], 3);
});

Deno.test("prometheusText() keeps names and descriptions from ending what they stand in", () => {
  const event = meter('papi/sde:::a"b\\c\n::d', { provider: "papi", provenance: "two\nlines \\ and more", unit: "count" });
  const metrics = parse(prometheusText([event], snapshotAt(0, [-1])));
  const { help, samples } = metrics.nodeos_papi_sde_a_b_c_d;
  assert.equal(help, "two\\nlines \\\\ and more");
  assert.deepEqual(samples, { 'domain="package",index="0",meter="papi/sde:::a\\"b\\\\c\\n::d"': -1 });
});

Deno.test("a file of metrics is there whole, for everybody to read, and its counters do not wrap", () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/power.prom`;
  const old = Deno.umask(0o077);
  try {
    using file = new PrometheusFile(path, [energyMeter("package0/energy")]);
    const seen = [262_000, 262_143, 100, null, 300].map((value, second) => {
      file.write(snapshotAt(second, [value]));
      return Object.values(parse(Deno.readTextFileSync(path)).nodeos_energy_joules_total?.samples ?? { none: null });
    });
    assert.deepEqual(seen, [[262_000], [262_143], [262_244], [null], [262_444]]);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o644);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["power.prom"]);
    file[Symbol.dispose]();
    assert.deepEqual([...Deno.readDirSync(directory)], []);
  } finally {
    Deno.umask(old);
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("metrics that cannot be written leave nothing behind, and what was there stays", () => {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${directory}/taken.prom/in`, { recursive: true });
    Deno.writeTextFileSync(`${directory}/file`, "");
    for (const path of [`${directory}/none/power.prom`, `${directory}/taken.prom`, `${directory}/file/power.prom`]) {
      assert.throws(
        () => writePrometheus(path, "x 1\n"),
        (error) =>
          error instanceof RefusedError && error.message.startsWith(`Cannot write metrics to ${path}: `) && error.remedy !== undefined,
      );
    }
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name).sort(), ["file", "taken.prom"]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a file of metrics that was never written is not removed", () => {
  const path = Deno.makeTempFileSync();
  new PrometheusFile(path, [])[Symbol.dispose]();
  Deno.removeSync(path);
});

const promtool = (Deno.env.get("PATH") ?? "").split(":").map((directory) => `${directory}/promtool`).find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

Deno.test({
  name: `promtool takes our metrics${promtool === undefined ? " [needs promtool]" : ""}`,
  ignore: promtool === undefined,
  async fn() {
    const child = new Deno.Command(promtool!, { args: ["check", "metrics"], stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(prometheusText(meters, snapshotAt(1, values))));
    await writer.close();
    const { code, stderr } = await child.output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  },
});
