import assert from "node:assert/strict";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { serverPackage } from "../../lib/power/simulated/parameters.ts";
import { registers } from "../../lib/power/simulated/registers.ts";
import type { Trace } from "../../lib/power/trace/trace.ts";
import { checkout, type CommandResult } from "../host.ts";
import { parseCsv } from "../lib/power/trace/parse_csv.ts";
import { compile, openMpLack } from "../ffi/runtime_cores/programs.ts";
import { hasCompiler } from "../ffi/host.ts";
import { exists, runSimulated, simulatedTest, simulationLack } from "../power/simulation.ts";

const testRoot = Deno.env.get("TMPDIR") ?? "/tmp";

/** The command with the rights that it has for its users, and to write where tests do. */
const nodeos = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=admin", `--allow-write=${testRoot}`, `${checkout}scripts/nodeos.ts`];

/** A directory of a test's own, and the state of nodeos in it. */
class Place implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "nodeos-test-" });
  readonly state = `${this.path}/state`;

  file(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Nothing that was set is left to be put back. */
  [Symbol.dispose](): void {
    const journal = `${this.state}/power/ledger.json`;
    if (exists(journal)) assert.deepEqual(JSON.parse(Deno.readTextFileSync(journal)).holdings, []);
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Runs a command on a simulated package. */
async function simulated(place: Place, args: readonly string[], package_ = warm()): Promise<CommandResult> {
  const { code, out, err } = await runSimulated([package_], [...nodeos, "power", ...args], { env: { NODEOS_STATE: place.state } });
  return { code, stdout: out.join("\n"), stderr: err };
}

/** Runs words of a shell on a simulated package; `$N` is the command. */
async function script(place: Place, text: string, package_ = warm()): Promise<CommandResult> {
  const env = { NODEOS_STATE: place.state, N: `${nodeos.join(" ")} power`, PLACE: place.path };
  const { code, out, err } = await runSimulated([package_], ["bash", "-c", text], { env });
  return { code, stdout: out.join("\n"), stderr: err };
}

/** Runs a command on this machine. */
async function bare(place: Place, args: readonly string[], options: Deno.CommandOptions = {}): Promise<CommandResult> {
  const [command, ...rest] = [...nodeos, "power", ...args];
  const output = await new Deno.Command(command, {
    cwd: checkout,
    ...options,
    args: rest,
    env: { NODEOS_STATE: place.state, ...options.env },
  }).output();
  return { code: output.code, stdout: new TextDecoder().decode(output.stdout), stderr: new TextDecoder().decode(output.stderr) };
}

const warm = () => new SimulatedPackage(undefined, { priorWatts: 150 });
const limitOf = (package_: SimulatedPackage) => package_.read(0, registers.PKG_POWER_LIMIT)!;
/** The long-term limit, as a power zone shows it. */
const zone = "/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw";

simulatedTest("nodeos power list has meters of a kind in one line, what each may be, and what is lacking", async () => {
  using place = new Place();
  const { code, stdout, stderr } = await simulated(place, ["list"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const [titles, ...lines] = stdout.split("\n");
  assert.match(titles, /^METER +UNIT +FROM +TO +STEP +ACCESS +WHERE$/);
  assert.match(lines[0], /^package0\//);
  const line = (name: string) => lines.find((text) => text.startsWith(`${name} `)) ?? assert.fail(`${name} is not there:\n${stdout}`);
  assert.match(line("package0/energy"), / J +0\.000061 +read +msr: register 0x611 of CPU 0$/);
  assert.match(line("package0/power-limit"), / W +60 +410 +0\.125 +read, set +msr: register 0x610 of CPU 0$/);
  assert.match(line("cpu0-15/frequency-max"), / Hz +1\.00 GHz +3\.20 GHz +1\.00 kHz +read, set +.*\/policyN\/scaling_max_freq$/);
  assert.match(stdout, /\n\nNot on this machine, or not for this user:\n {2}\/dev\/cpu\/0\/msr_safe: it is not there\n/);
});

simulatedTest("nodeos power list with names has a line for each, and a document has all that is known", async () => {
  using place = new Place();
  const { stdout } = await simulated(place, ["list", "cpu*/frequency"]);
  assert.equal(stdout.split("\n").length, 17);
  const { meters, lacks, schemaVersion } = JSON.parse((await simulated(place, ["list", "--json", "package0/power-limit"])).stdout);
  assert.equal(schemaVersion, 1);
  assert.deepEqual(meters, [{
    name: "package0/power-limit",
    unit: "W",
    kind: "gauge",
    range: { min: 60, max: 410 },
    resolution: 0.125,
    domain: { kind: "package", index: 0 },
    provenance: "register 0x610 of CPU 0",
    provider: "msr",
    permission: null,
    isWritable: true,
    isPower: false,
    mayRead: true,
    maySet: true,
  }]);
  assert.ok(lacks.some(({ what }: { what: string }) => what === "/dev/hsmp"));
});

simulatedTest("nodeos power list says that a limit is locked", async () => {
  using place = new Place();
  const package_ = warm();
  package_.write(0, registers.PKG_POWER_LIMIT, limitOf(package_) | 1n << 63n);
  const { stdout } = await simulated(place, ["list"], package_);
  assert.match(stdout, /^package0\/power-limit +W .* read +msr: /m);
  assert.match(stdout, /\nCannot be set now:\n {2}package0\/power-limit: the firmware has locked it/);
});

simulatedTest("nodeos power read has meters of one moment", async () => {
  using place = new Place();
  const { stdout } = await simulated(place, ["read", "package0/power-limit", "core0/temperature"]);
  assert.match(stdout, /^METER +VALUE +UNIT\npackage0\/power-limit +205\.0 +W\ncore0\/temperature +\d+\.0 +°C$/);
  const document = JSON.parse((await simulated(place, ["read", "--json", "package*/energy"])).stdout);
  assert.deepEqual(document.readings.map(({ name, unit }: Record<string, string>) => [name, unit]), [["package0/energy", "J"]]);
  assert.ok(document.readings[0].value > 0 && document.monotonicNs > 0 && document.missing.length === 0);
});

simulatedTest("nodeos power read refuses what is not there, and says what is near", async () => {
  using place = new Place();
  const { code, stdout, stderr } = await simulated(place, ["read", "package0/enrgy"]);
  assert.deepEqual([code, stdout], [4, ""]);
  assert.equal(stderr, 'Cannot find the meter "package0/enrgy": this machine has none of that name; did you mean "package0/energy"?\n');
});

simulatedTest("nodeos power watch shows a line for each reading, or a document, and metrics as long as it runs", async () => {
  using place = new Place();
  const { stdout } = await simulated(place, ["watch", "--for", "500ms", "--period", "100ms"]);
  const lines = stdout.split("\n");
  assert.ok(lines.length >= 2, stdout);
  for (const line of lines) assert.match(line, /^\d\.\d s {2}.*package0\/power \d+\.\d W {2}.*package0\/temperature \d+\.0 °C/);
  const { stdout: documents, stderr } = await script(
    place,
    `$N watch --json --for 1 --period 50ms --prometheus $PLACE/node.prom --papi-board package0/energy & sleep 0.7
     grep -c '^nodeos_energy_joules_total{' $PLACE/node.prom >&2; wait; ls $PLACE >&2`,
  );
  for (const line of documents.split("\n")) {
    const { schemaVersion, readings: [{ name, unit, value }] } = JSON.parse(line);
    assert.deepEqual([schemaVersion, name, unit], [1, "package0/power", "W"]);
    assert.ok(value > 50 && value < 400, line);
  }
  const [words, first, ...rest] = stderr.split("\n");
  assert.match(
    words,
    /^nodeos: programs that use PAPI see these events with NODEOS_POWER_BOARD=.*\/power\/board LD_PRELOAD=.*\/libnodeos-papi\.so$/,
  );
  assert.match(first, /^ {2}sde:::nodeos::package0_energy_uj {2}/);
  assert.deepEqual(rest.slice(-3), ["1", "state", ""]);
});

simulatedTest("nodeos power watch and trace end when nobody reads any more", async () => {
  using place = new Place();
  const { stdout } = await script(
    place,
    "$N watch --period 20ms | head -1; $N watch --json --period 20ms | head -1; $N trace --period 20ms | head -1",
  );
  assert.equal(stdout.split("\n").length, 3, stdout);
});

simulatedTest("nodeos power trace writes a table that is read back, and ends with its time", async () => {
  using place = new Place();
  const { code, stdout } = await simulated(place, [
    "trace",
    "--for",
    "1s",
    "--period",
    "50ms",
    "--meters",
    "package0/energy,core*/temperature",
  ]);
  assert.equal(code, 0);
  const [header, ...rows] = parseCsv(`${stdout}\n`);
  assert.deepEqual(header.slice(0, 3), ["time", "seconds", "package0/power [W]"]);
  assert.ok(rows.length > 3 && rows[0][2] === "" && rows[0][3] !== "");
  const seconds = rows.map((row) => Number(row[1]));
  assert.deepEqual(seconds, seconds.toSorted((a, b) => a - b));
  for (const row of rows.slice(1)) assert.ok(Number(row[2]) > 50 && Number(row[2]) < 400, row.join());
});

simulatedTest(
  "nodeos power trace of a short period has registers in all rows, slower meters in some, and counts what it missed",
  async () => {
    using place = new Place();
    const { code, stdout } = await simulated(place, [
      "trace",
      "--json",
      "--for",
      "500ms",
      "--period",
      "2ms",
      "--meters",
      "package0/energy,package0/temperature,cpu0/frequency",
    ]);
    assert.equal(code, 0);
    const { columns, rows, missed } = JSON.parse(stdout) as Trace;
    const column = (name: string) => columns.findIndex((column) => column.name === name);
    const has = (name: string) => rows.filter(({ values }) => values[column(name)] !== null).length;
    assert.deepEqual([has("package0/power"), has("package0/temperature")], [rows.length - 1, rows.length]);
    assert.ok(has("cpu0/frequency") >= 2 && has("cpu0/frequency") < rows.length, `${has("cpu0/frequency")} of ${rows.length}`);
    assert.equal(rows.length + missed, Math.round(rows.at(-1)!.seconds / 0.002) + 1);
  },
);

simulatedTest("nodeos power trace of a program has its exit status, a picture, a table and a profile", async () => {
  using place = new Place();
  const outputs = ["--csv", place.file("t.csv"), "--svg", place.file("t.svg"), "--tau", place.file("tau")];
  const { code, stdout, stderr } = await simulated(place, [
    "trace",
    "--period",
    "20ms",
    ...outputs,
    "--",
    "sh",
    "-c",
    "echo mine; sleep 0.3; exit 9",
  ]);
  assert.deepEqual([code, stdout], [9, "mine"]);
  for (const path of ["t.csv", "t.svg", "tau/profile.0.0.0"]) assert.ok(stderr.includes(place.file(path)), stderr);
  assert.ok(parseCsv(Deno.readTextFileSync(place.file("t.csv"))).length > 2);
  assert.match(
    Deno.readTextFileSync(place.file("t.svg")),
    /<title>Power during sh -c echo mine; sleep 0\.3; exit 9<\/title>[\s\S]*package0[\s\S]*power, W/,
  );
  assert.match(Deno.readTextFileSync(place.file("tau/profile.0.0.0")), /^1 templated_functions/);
  const short = await simulated(place, ["trace", "--period", "10s", ...outputs, "--", "sh", "-c", "exit 4"]);
  assert.equal(short.code, 4);
  assert.match(short.stderr, /nodeos: nothing to show over time: it was over within a period\n$/);
  const { trace } = { trace: JSON.parse((await simulated(place, ["trace", "--json", "--for", "200ms", "--period", "50ms"])).stdout) };
  assert.deepEqual([trace.exitCode, trace.periodSeconds, trace.columns[0].unit], [null, 0.05, "W"]);
});

simulatedTest("nodeos power trace refuses what has no place to go before the program runs", async () => {
  using place = new Place();
  const touch = ["--", "touch", place.file("ran")];
  const refused = async (code: number, message: RegExp, ...args: string[]) => {
    const result = await simulated(place, args);
    assert.match(result.stderr, message);
    assert.deepEqual([result.code, result.stdout, exists(place.file("ran"))], [code, "", false]);
  };
  await refused(2, /^Cannot trace to standard output: the program writes there\n/, "trace", ...touch);
  await refused(2, /^Cannot print several documents/, "trace", "--csv", "-", "--svg", "-", ...touch);
  await refused(1, /^Cannot write \/nonexistent\/x\.csv: /, "trace", "--csv", "/nonexistent/x.csv", ...touch);
  await refused(1, /^Cannot write \/nonexistent\/x\.svg: /, "measure", "--svg", "/nonexistent/x.svg", ...touch);
  await refused(1, /^Cannot write \/proc\/x: /, "measure", "--tau", "/proc/x", ...touch);
  await refused(1, /^Cannot write \/nonexistent\/x\.json: /, "cap", "120", "-o", "/nonexistent/x.json", ...touch);
  await refused(2, /--period: Cannot read meters every 10us/, "trace", "--period", "10us", ...touch);
  await refused(4, /no name matches/, "measure", "--meters", "gpu*/energy", ...touch);
  await refused(4, /^Cannot measure energy: none of these meters counts any/, "measure", "--meters", "core0/temperature", ...touch);
});

simulatedTest("nodeos power measure has the joules that the package counted while the program ran", async () => {
  using place = new Place();
  const package_ = warm();
  const counter = "cat /sys/class/powercap/intel-rapl:0/energy_uj";
  const { code, stdout, stderr } = await simulated(
    place,
    ["measure", "--json", "-o", place.file("m.json"), "--", "sh", "-c", `${counter}; sleep 0.6; ${counter}; echo words >&2; exit 4`],
    package_,
  );
  assert.equal(code, 4);
  assert.match(stderr, /^words\n(?:.*stood still.*\n)?Wrote the result to /);
  const [before, after] = stdout.split("\n").map(Number);
  const { exitCode, seconds, joules, meanWatts, energyDelayJouleSeconds, meters } = JSON.parse(Deno.readTextFileSync(place.file("m.json")));
  const packageJoules = meters.find(({ name }: { name: string }) => name === "package0/energy").total;
  assert.equal(exitCode, 4);
  // What the program saw of it lies within.
  assert.ok(packageJoules >= (after - before) / 1e6, `${packageJoules} ${after - before}`);
  assert.ok(packageJoules <= package_.truth().energyJoules + 1);
  assert.ok(
    joules > packageJoules && Math.abs(joules / seconds - meanWatts) < 1e-9 && Math.abs(joules * seconds - energyDelayJouleSeconds) < 1e-6,
  );
});

simulatedTest(
  "nodeos power measure says it in a table on standard error, and has the exit status of a shell for programs that are not there",
  async () => {
    using place = new Place();
    const { code, stdout, stderr } = await simulated(place, ["measure", "--", "sh", "-c", "echo result; sleep 0.6"]);
    assert.deepEqual([code, stdout], [0, "result"]);
    assert.match(stderr, /\nnodeos: sh -c echo result; sleep 0\.6 took \d\.\d+ s and ended with 0\n\nENERGY +JOULES +MEAN W +PEAK W\n/);
    assert.match(stderr, /\npackage0 +\d+\.\d +\d+\.\d +\d+\.\d\n[\s\S]*\nTogether \d+\.\d J, \d+\.\d W; energy times time \d+\.?\d* Js\n/);
    assert.equal((await simulated(place, ["measure", "--", "no-such-program"])).code, 127);
    assert.equal((await simulated(place, ["measure", "--", `${checkout}deno.json`])).code, 126);
    assert.match((await simulated(place, ["measure"])).stderr, /^Cannot measure: no program is given\n {2}Give one after --/);
  },
);

simulatedTest("nodeos power cap holds a package while a program runs, and puts every bit back", async () => {
  using place = new Place();
  const package_ = warm();
  const before = limitOf(package_);
  const outputs = ["--svg", place.file("c.svg"), "--json", "-o", place.file("c.json")];
  const { code, stdout } = await simulated(place, [
    "cap",
    "110",
    "--window",
    "200ms",
    ...outputs,
    "--",
    "sh",
    "-c",
    `cat ${zone}; sleep 1.5; exit 6`,
  ], package_);
  assert.equal(code, 6);
  // The cap is there before the program is, and below it, as the trim keeps a margin.
  assert.ok(Number(stdout) > 90e6 && Number(stdout) <= 115e6, stdout);
  assert.equal(limitOf(package_), before);
  const { endedBy, exitCode, packages: [capped], set } = JSON.parse(Deno.readTextFileSync(place.file("c.json")));
  assert.deepEqual([endedBy, exitCode, capped.package, capped.capWatts, capped.hardwareShare, set], ["program", 6, 0, 110, 1, []]);
  assert.ok(capped.meanWatts > 80 && capped.meanWatts < 140, `${capped.meanWatts}`);
  assert.match(Deno.readTextFileSync(place.file("c.svg")), />cap<\/text>/);
});

simulatedTest("nodeos power cap sets actuators for the time, and nothing when one of them is wrong", async () => {
  using place = new Place();
  const package_ = warm();
  const before = limitOf(package_);
  const wishes = ["--set", "package0/power-limit=100", "--set", "cpu5/frequency-max=2000000000"];
  const frequency = "/sys/devices/system/cpu/cpufreq/policy5/scaling_max_freq";
  const { code, stdout, stderr } = await simulated(
    place,
    ["cap", ...wishes, "--", "sh", "-c", `sleep 0.1; cat ${zone} ${frequency}`],
    package_,
  );
  assert.deepEqual([code, stdout], [0, "100000000\n2000000"], stderr);
  assert.match(
    stderr,
    /\nset package0\/power-limit to 100\nset cpu5\/frequency-max to 2000000000\nEverything is set as it was before\.\n$/,
  );
  const wrong: readonly (readonly [number, RegExp, ...string[]])[] = [
    [
      2,
      /to 1000 W: it is out of range\n {2}Give a value from 60 W to 410 W/,
      "--set",
      "package0/power-limit=90",
      "--set",
      "package0/power-limit=1000",
    ],
    [1, /^Cannot set package0\/energy: it can only be read/, "--set", "package0/energy=1"],
    [4, /^Cannot find the meter "package9\/power-limit"/, "--set", "package9/power-limit=1"],
    [2, /--set: Cannot read "x" as a setting/, "--set", "x"],
    [2, /--set: Cannot read "x=NaN" as a setting/, "--set", "x=NaN"],
    [4, /^Cannot cap package 3: /, "100", "--package", "3"],
    [2, /^Cannot cap power: "-5" is no number of watts/, "--", "-5"],
    [2, /^Cannot cap power: "0" is no number of watts/, "0"],
    [2, /^Cannot let a program follow: it takes a cap and a program/, "100", "--follow"],
    [2, /^Cannot use --celsius and --package without a cap/, "--set", "package0/power-limit=90", "--celsius", "80"],
  ];
  for (const [code, message, ...args] of wrong) {
    const result = await simulated(place, [
      "cap",
      ...args,
      ...args.includes("--") ? [] : ["--"],
      ...args.includes("--follow") ? [] : ["touch", place.file("ran")],
    ], package_);
    assert.match(result.stderr, message);
    assert.deepEqual([result.code, limitOf(package_), exists(place.file("ran"))], [code, before, false], args.join(" "));
  }
  const absent = await simulated(place, ["cap", "100", "--", "no-such-program"], package_);
  assert.deepEqual([absent.code, limitOf(package_)], [127, before]);
});

simulatedTest("nodeos power cap puts back when a signal ends it, and one more may not set meanwhile", async () => {
  using place = new Place();
  const package_ = warm();
  const before = limitOf(package_);
  const { stdout, stderr } = await script(
    place,
    // Jobs of their own: a shell has the others ignore SIGINT.
    `set -m
     for signal in INT TERM HUP; do
       $N cap 100 & pid=$!
       until [ $(cat ${zone}) -lt 110000000 ]; do sleep 0.02; done
       [ $signal = INT ] && { $N cap 90 -- touch $PLACE/ran; echo refused $?; }
       kill -$signal $pid; wait $pid; echo $signal $? $(cat ${zone})
     done`,
    package_,
  );
  assert.deepEqual(stdout.split("\n"), ["refused 1", "INT 0 205000000", "TERM 0 205000000", "HUP 0 205000000"], stderr);
  assert.match(stderr, /Cannot set power: process \d+ \(root\) is doing so, and only one may\n/);
  assert.deepEqual([limitOf(package_), exists(place.file("ran"))], [before, false]);
});

simulatedTest("nodeos power cap goes on, as its program does, at signals that it was told to ignore (nohup)", async () => {
  using place = new Place();
  const { stdout, stderr } = await script(
    place,
    `trap '' HUP INT
     $N cap 100 -- sh -c 'echo $$ >$PLACE/on; until [ -e $PLACE/off ]; do sleep 0.02; done; echo ended' & pid=$!
     until [ -s $PLACE/on ]; do sleep 0.02; done
     kill -HUP $pid $(cat $PLACE/on); kill -INT $pid; sleep 0.3
     touch $PLACE/off; wait $pid; echo $? $(cat ${zone})`,
  );
  assert.deepEqual(stdout.split("\n"), ["ended", "0 205000000"], stderr);
});

simulatedTest("what nodeos power cap had set when it was killed goes back with the next one; its program ends with it", async () => {
  using place = new Place();
  const package_ = warm();
  const before = limitOf(package_);
  const { stdout, stderr } = await script(
    place,
    `$N cap 100 -- sh -c 'echo $$ > $PLACE/pid; exec sleep 60' & pid=$!
     until [ -s $PLACE/pid ]; do sleep 0.02; done
     kill -9 $pid; wait $pid 2>/dev/null
     while kill -0 $(cat $PLACE/pid) 2>/dev/null; do sleep 0.02; done
     [ $(cat ${zone}) -lt 110000000 ] && echo still
     $N cap --set dram0/power-limit=20 -- cat ${zone}`,
    package_,
  );
  assert.deepEqual(stdout.split("\n"), ["still", "205000000"], stderr);
  assert.match(stderr, /nodeos: put back \d+ settings? of a command that was killed\n/);
  assert.equal(limitOf(package_), before);
});

simulatedTest("the page of a nodeos power cap --follow that was killed goes with the next one, or with nodeos restore", async () => {
  using place = new Place();
  const killed = `rm -f $PLACE/pid
     $N cap 100 --follow -- sh -c 'echo $$ > $PLACE/pid; exec sleep 60' & pid=$!
     until [ -s $PLACE/pid ]; do sleep 0.02; done
     kill -9 $pid; wait $pid 2>/dev/null
     while kill -0 $(cat $PLACE/pid) 2>/dev/null; do sleep 0.02; done
     ls $NODEOS_STATE/power | grep -c nodeos-cores`;
  const { stdout, stderr } = await script(
    place,
    `${killed}; $N cap --set dram0/power-limit=20 -- sh -c 'ls $NODEOS_STATE/power | grep -c nodeos-cores'
     ${killed}; ${nodeos.join(" ")} restore; ls $NODEOS_STATE/power | grep -c nodeos-cores`,
  );
  assert.deepEqual(stdout.split("\n"), ["1", "0", "1", "0"], stderr);
});

simulatedTest("nodeos power cap says that a cap is out of reach, and what it did", async () => {
  using place = new Place();
  const { stderr } = await simulated(place, ["cap", "15", "--window", "100ms", "--for", "1500ms"]);
  assert.match(stderr, /\npackage0 +15 W .* frequency to 1\.00 GHz(?:, duty cycle to \d+ %)?\n/);
  assert.match(stderr, /\nThe cap is out of reach: package0 draws \d+\.\d W, and cannot be brought to 15 W\.\n/);
});

simulatedTest("nodeos power cap --follow lets a program of OpenMP use fewer threads, and holds one that says nothing", async () => {
  using place = new Place();
  // As many cores as this machine has CPUs: the program runs on these.
  const coreCount = navigator.hardwareConcurrency;
  const package_ = new SimulatedPackage({ ...serverPackage, coreCount }, { priorWatts: 150 });
  const [limit, control] = [limitOf(package_), package_.read(0, registers.PERF_CTL)];
  const words = "for i in $(seq 30); do echo plain; sleep 0.05; done";
  const { stdout, stderr } = await script(
    place,
    `${words} | $N cap 60 --follow -- ${compile("regions", "-fopenmp")}; $N cap 60 --follow -- sleep 2`,
    package_,
  );
  const lines = stdout.split("\n").map((line) => line.split(" ").map(Number));
  assert.equal(lines.length, 30, stderr);
  for (const [threads, sum] of lines) assert.ok(threads >= 1 && threads <= coreCount && sum === 100000 * 99999 / 2);
  assert.ok(coreCount === 1 || lines.some(([threads]) => threads < coreCount), stdout);
  assert.match(stderr, /\nnodeos: the program did not say how many threads it uses, and was held to \d+ of its \d+ CPUs\n/);
  assert.deepEqual([limitOf(package_), package_.read(0, registers.PERF_CTL)], [limit, control]);
}, openMpLack ?? (navigator.hardwareConcurrency < 2 ? "needs two CPUs" : null));

simulatedTest("nodeos power cap --progress lowers the cap of a program that sends heartbeats, and says when there are none", async () => {
  using place = new Place();
  const package_ = warm();
  const before = limitOf(package_);
  // Its progress does not depend on power: ten pieces of work a second.
  const beats = `(until [ -e $PLACE/end ]; do echo beat 0; sleep 0.1; done) | $N cap 180 --progress 90% --json -o $PLACE/cap.json -- ${
    compile("follower", "-lnodeos-rt")
  }`;
  const { stdout, stderr } = await script(
    place,
    `${beats} >$PLACE/out & pid=$!
     while kill -0 $pid && [ $(cat ${zone}) -gt 165000000 ]; do sleep 0.02; done
     touch $PLACE/end; wait $pid
     $N cap --progress 90% -- true; echo $?; $N cap --progress 90%; echo $?; $N cap --progress 100% -- true; echo $?`,
    package_,
  );
  assert.deepEqual(stdout.split("\n"), ["0", "2", "2"], stderr);
  const { progress, packages: [{ capWatts }] } = JSON.parse(Deno.readTextFileSync(place.file("cap.json")));
  assert.ok(
    progress.heartbeats > 20 && progress.highestHz < 10 && progress.wantedHz < progress.highestHz && progress.capWatts < 165,
    stderr,
  );
  assert.deepEqual([capWatts, progress.capMaxWatts, limitOf(package_)], [180, 180, before]);
  assert.match(
    stderr,
    /Cannot cap by progress: the program sent no heartbeats; the cap was 205\.0 W all the time\n {2}Call nodeos_heartbeat/,
  );
}, hasCompiler ? null : "needs gcc");

simulatedTest("nodeos power simulate has the exit status of its program, passes signals on, and leaves nothing", async () => {
  using place = new Place();
  const state = 'test "$NODEOS_STATE" != "" && mkdir -p $NODEOS_STATE/power; cat /sys/class/powercap/intel-rapl:0/name; exit 5';
  const { code, stdout } = await bare(place, ["simulate", "--", "sh", "-c", state]);
  assert.deepEqual([code, stdout, [...Deno.readDirSync(place.state)]], [5, "package-0\n", []]);
  assert.equal((await bare(place, ["simulate", "--", "sh", "-c", "kill -TERM $PPID; sleep 60"])).code, 143);
  assert.equal((await bare(place, ["simulate", "--", "no-such-program"])).code, 127);
  const two = await bare(place, ["simulate", "--packages", "2", "--time-scale", "0", "--", "ls", "/sys/class/powercap"]);
  assert.match(two.stdout, /^intel-rapl:1$/m);
});

simulatedTest("nodeos power simulate removes what a simulation left that was killed", async () => {
  using place = new Place();
  Deno.mkdirSync(`${place.state}/simulated-4194304/state/power`, { recursive: true });
  Deno.mkdirSync(`${place.state}/simulated-${Deno.pid}`);
  assert.equal((await bare(place, ["simulate", "--", "true"])).code, 0);
  assert.deepEqual([...Deno.readDirSync(place.state)].map(({ name }) => name), [`simulated-${Deno.pid}`]);
});

Deno.test("nodeos power simulate says what is wrong", async () => {
  using place = new Place();
  const message = async (...args: string[]) => {
    const { code, stderr } = await bare(place, ["simulate", ...args]);
    return `${code} ${stderr.split("\n")[0]}`;
  };
  assert.equal(await message(), "2 Cannot simulate for nobody: no program is given");
  assert.equal(await message("--packages", "9", "--", "true"), "2 --packages: Cannot simulate 9 packages: 8 are the most");
  assert.equal(await message("--time-scale", "1001", "--", "true"), '2 --time-scale: Cannot read "1001" as a time scale');
});

simulatedTest("the shell completes names of meters", async () => {
  using place = new Place();
  const { stdout } = await script(place, "${N% power} __complete power read package0/power-l");
  assert.deepEqual(stdout.split("\n").map((line) => line.split("\t")[0]), [
    "package0/power-limit",
    "package0/power-limit-short",
    "package0/power-limit-short-window",
    "package0/power-limit-window",
  ]);
});

Deno.test({
  name: `nodeos power measure and trace have counters of PAPI of the program, from its first instruction on${
    hasCompiler ? "" : " [needs gcc]"
  }`,
  ignore: !hasCompiler,
  async fn() {
    using place = new Place();
    const library = place.file("libpapi.so.7.0");
    const gcc = new Deno.Command("gcc", { args: ["-shared", "-fPIC", "-o", library, `${checkout}tests/ffi/papi_library.c`] });
    assert.ok((await gcc.output()).success);
    const env = { LD_LIBRARY_PATH: place.path };
    const meters = ["--meters", "papi/STEPS,papi/HELD,papi/node:::ENERGY"];
    const program = ["--", "sh", "-c", "echo $$; grep TracerPid /proc/$$/status; sleep 0.3"];
    const { code, stdout, stderr } = await bare(place, ["measure", ...meters, "--json", "-o", place.file("m.json"), ...program], { env });
    const [pid, tracer] = stdout.split("\n");
    assert.deepEqual([code, tracer], [0, "TracerPid:\t0"], stderr);
    type Figure = { name: string; total: number | null; mean: number };
    const figures: Figure[] = JSON.parse(Deno.readTextFileSync(place.file("m.json"))).meters;
    const [steps, held] = ["papi/STEPS", "papi/HELD"].map((name) => figures.find((figure) => figure.name === name)!);
    assert.ok(steps.total! > 0 && steps.total! % Number(pid) === 0, `${steps.total} of ${pid}`);
    assert.equal(held.mean, /could not be held/.test(stderr) ? 0 : 1);
    const traced = await bare(place, ["trace", ...meters, "--period", "50ms", "--json", ...program], { env });
    const { rows }: Trace = JSON.parse(traced.stdout.slice(traced.stdout.indexOf("{")));
    // Before the program there is none.
    assert.deepEqual([rows[0].values[0], rows[0].values[1], typeof rows.at(-1)!.values[1]], [null, null, "number"]);
    const refused = await bare(place, ["measure", "--meters", "papi/NONE", "--", "touch", place.file("ran")], { env });
    assert.deepEqual([refused.code, exists(place.file("ran"))], [4, false]);
    assert.match(refused.stderr, /^Cannot find the meter "papi\/NONE": PAPI knows no such event here/);
  },
});

Deno.test("nodeos power cap says in short that a machine cannot cap, and how to try it", async () => {
  using place = new Place();
  const { meters } = JSON.parse((await bare(place, ["list", "--json"])).stdout);
  // On one that can, there is nothing to see.
  if (meters.some(({ isWritable, obstacle }: Record<string, unknown>) => isWritable || obstacle !== undefined)) return;
  const { code, stdout, stderr } = await bare(place, ["cap", "90", "--follow", "--", "touch", place.file("ran")]);
  assert.deepEqual([code, stdout, exists(place.file("ran")), exists(place.state)], [1, "", false, false]);
  assert.equal(
    stderr,
    "Cannot cap power: nothing on this machine sets power\n  See what is lacking: nodeos power list --lacks\n" +
      "  See how it works on a simulated package: nodeos power simulate -- nodeos power cap 90 --for 10s\n",
  );
});

Deno.test("nodeos power list works on every machine, and without power says how to try it", async () => {
  using place = new Place();
  const { code, stdout } = await bare(place, ["list"]);
  assert.equal(code, 0);
  const { meters } = JSON.parse((await bare(place, ["list", "--json"])).stdout);
  const hasPower = meters.some(({ name }: { name: string }) => /^package\d+\/(energy|power)$/.test(name));
  assert.equal(/nodeos power simulate -- nodeos power list\n$/.test(stdout), !hasPower);
  const { stdout: lacks } = await bare(place, ["list", "--lacks"]);
  assert.doesNotMatch(lacks, /^METER/m);
});

/** Gives another user the packages that this one has: it could not read ours, and the network need not be there. */
function copyPackages(denoDirectory: string): void {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  const script = 'mkdir -p "$2" && cp -r "$1" "$2/npm" && chown -R 65534:65534 "$2"';
  const { success, stderr } = new Deno.Command("sh", { args: ["-c", script, "sh", npmCache, denoDirectory] }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

Deno.test({
  name: `somebody who is not root may read and set nothing without a policy, and is told so${
    simulationLack === null ? "" : ` [${simulationLack}]`
  }`,
  ignore: simulationLack !== null,
  async fn() {
    const directory = Deno.makeTempDirSync();
    try {
      copyPackages(`${directory}/deno`);
      Deno.chownSync(directory, 65534, 65534);
      const env = { NODEOS_STATE: `${directory}/state`, HOME: directory, DENO_DIR: `${directory}/deno` };
      const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ...nodeos, "power"];
      for (const [words, verb] of [[["read"], "read"], [["cap", "100", "--for", "1s"], "set"]] as const) {
        const { code, err } = await runSimulated([warm()], [...nobody, ...words], { env });
        assert.equal(code, 1);
        const refusal = `Cannot ${verb} \\S+: the policy does not allow user nobody to\n  Ask root for a grant in the policy of power\n`;
        assert.match(err, new RegExp(`^${refusal}$`));
      }
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});
