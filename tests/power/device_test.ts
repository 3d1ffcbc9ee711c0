import assert from "node:assert/strict";
import { helperPath } from "../../lib/noise/measure.ts";
import { simulateArguments, SimulatedImage } from "../../ffi/simulated_device.ts";
import { SimulatedDevice } from "../../lib/power/simulated/device.ts";
import { machineDirectories, SimulatedMachine } from "../../lib/power/simulated/machine.ts";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { registers } from "../../lib/power/simulated/registers.ts";
import { checkout } from "../host.ts";
import { exists, type Outcome, registerWords, runSimulated, simulatedTest } from "./simulation.ts";

const tools = ["rdmsr", "wrmsr", "powercap-info", "powercap-set"];
const missing = tools.filter((tool) => !(Deno.env.get("PATH") ?? "").split(":").some((directory) => exists(`${directory}/${tool}`)));

async function shell(script: string, packages = [new SimulatedPackage()], timeScale = 1): Promise<Outcome> {
  return await runSimulated(packages, ["bash", "-c", registerWords + script], { timeScale });
}

const limitOf = (package_: SimulatedPackage) => package_.read(0, registers.PKG_POWER_LIMIT)!;
const hex = (value: bigint) => value.toString(16).padStart(16, "0");

simulatedTest("registers of a simulated package are read at the offset of their number", async () => {
  const package_ = new SimulatedPackage();
  const { code, out, err } = await shell("read_register 0 0x606; read_register 15 0x610; read_register 3 0x1a2", [package_]);
  assert.deepEqual([code, err], [0, ""]);
  assert.deepEqual(out, ["00000000000a0e03", hex(limitOf(package_)), "0000000000600000"]);
});

simulatedTest("an unknown register and an unknown CPU are refused, as is another length", async () => {
  const { out, err } = await shell(
    "read_register 0 0x999; read_register 0 0x610 4; read_register 0 0x610 16; read_register 16 0x610; echo end",
  );
  assert.deepEqual(out, ["end"]);
  assert.equal(err.match(/Input\/output error/g)?.length, 1, err);
  assert.equal(err.match(/Invalid argument/g)?.length, 2, err);
  assert.equal(err.match(/No such file/g)?.length, 1, err);
});

simulatedTest("a power limit counts for the next read of every CPU of its package, and the simulation gets it", async () => {
  const packages = [new SimulatedPackage(), new SimulatedPackage(undefined, { seed: 2 })];
  const before = limitOf(packages[1]);
  const { out, err } = await shell("write_register 0 0x610 0x005c83c0; read_register 7 0x610; read_register 16 0x610; sleep 0.3", packages);
  assert.equal(err, "");
  assert.deepEqual(out, ["00000000005c83c0", hex(before)]);
  assert.equal(limitOf(packages[0]), 0x5c83c0n);
  assert.equal(limitOf(packages[1]), before);
});

simulatedTest("bits that are reserved stay as they are, or are refused; a read-only register refuses all", async () => {
  const package_ = new SimulatedPackage();
  const { out, err } = await shell(
    "write_register 0 0x610 0x7fffffffffffffff; read_register 0 0x610; write_register 0 0x19a 0x20; write_register 0 0x606 0; read_register 0 0x19a",
    [package_],
  );
  assert.deepEqual(out, ["00ffffff00ffffff", "0000000000000000"]);
  assert.equal(err.match(/Input\/output error/g)?.length, 2, err);
  assert.equal(package_.read(0, registers.RAPL_POWER_UNIT), 0xa0e03n);
});

simulatedTest("a limit that is locked is refused, as a register and as a power zone", async () => {
  const package_ = new SimulatedPackage();
  const { out, err } = await shell(
    `write_register 0 0x610 0x8000000000dd8320
     write_register 0 0x610 0
     echo 90000000 > constraint_0_power_limit_uw
     sleep 0.1
     echo 0 > enabled
     read_register 0 0x610`,
    [package_],
  );
  assert.deepEqual(out, ["8000000000dd8320"]);
  assert.equal(err.match(/Input\/output error/g)?.length, 1, err);
  assert.equal(err.match(/Permission denied/g)?.length, 2, err);
  assert.equal(limitOf(package_), 0x8000000000dd8320n);
});

simulatedTest("the energy counter wraps", async () => {
  const package_ = new SimulatedPackage(undefined, { energyCount: 2 ** 32 - 1000, priorWatts: 150 });
  const script = `read_register 0 0x611; write_register 0 0x774 0x1234
    until text=$(read_register 0 0x611); [ $text != 00000000fffffc18 ]; do sleep 0.01; done; echo $text`;
  const ended = shell(script, [package_], 0);
  // Time passes here only, after the program has read and said so.
  while (package_.read(0, registers.HWP_REQUEST) !== 0x1234n) await new Promise((resolve) => setTimeout(resolve, 5));
  package_.advance(1);
  const [first, second] = (await ended).out.map((text) => BigInt(`0x${text}`));
  assert.equal(first, 0xfffffc18n);
  assert.equal(second, package_.read(0, registers.PKG_ENERGY_STATUS));
  assert.ok(second < first, `${first} ${second}`);
  const joules = Number((second - first) & 0xffffffffn) / 2 ** 14;
  assert.ok(Math.abs(joules - package_.truth().energyJoules) < 2, `${joules} ${package_.truth().energyJoules}`);
});

simulatedTest("a simulation at time scale 0 stands still", async () => {
  const { out } = await shell("read_register 0 0x611; sleep 0.1; read_register 0 0x611", [new SimulatedPackage()], 0);
  assert.equal(out[0], out[1]);
});

simulatedTest("a power zone shows and sets the register in microwatts", async () => {
  const package_ = new SimulatedPackage();
  const { out, err } = await shell(
    `cat name constraint_0_power_limit_uw
     echo 120000000 > constraint_0_power_limit_uw
     echo 10000 > constraint_0_time_window_us
     sleep 0.3
     cat constraint_0_power_limit_uw constraint_0_time_window_us intel-rapl:0:1/name
     read_register 0 0x610`,
    [package_],
  );
  assert.equal(err, "");
  assert.deepEqual(out.slice(0, 6), ["package-0", "205000000", "120000000", "9765", "dram", hex(limitOf(package_))]);
  assert.equal(limitOf(package_) & 0xffffffn, 0x4783c0n);
});

simulatedTest("what a file of the tree is not made for is refused", async () => {
  const package_ = new SimulatedPackage();
  const before = limitOf(package_);
  const wrong = ["-1", "4096000000000", "x", "1e9", "", "0x10", "99999999999999999999", "12 13"];
  const { out, err } = await shell(
    `${wrong.map((text) => `echo '${text}' > constraint_0_power_limit_uw`).join("\n")}
     echo 0 > constraint_0_time_window_us
     echo 1 > energy_uj; echo 1 > name; rm name; mkdir x; chmod 777 name; echo end`,
    [package_],
  );
  assert.deepEqual(out, ["end"]);
  assert.equal(err.match(/Invalid argument/g)?.length, wrong.length + 1, err);
  assert.equal(err.match(/Permission denied|not permitted|not implemented/g)?.length, 5, err);
  assert.equal(limitOf(package_), before);
});

simulatedTest("sensors and frequencies are live", async () => {
  const package_ = new SimulatedPackage(undefined, { priorWatts: 150 });
  const { out, err } = await shell(
    `sleep 0.2; cd /sys/class; cat hwmon/hwmon0/name hwmon/hwmon0/temp1_input hwmon/hwmon1/power1_average thermal/thermal_zone0/temp
     cd /sys/devices/system/cpu/cpufreq/policy5; cat scaling_cur_freq; echo 1500000 > scaling_max_freq; sleep 0.2; cat scaling_cur_freq`,
    [package_],
  );
  assert.equal(err, "");
  const [name, celsius, watts, zone, before, after] = out;
  assert.equal(name, "coretemp");
  for (const milli of [celsius, zone]) assert.ok(Number(milli) > 35000 && Number(milli) < 96000, milli);
  assert.ok(Number(watts) > 50e6 && Number(watts) < 400e6, watts);
  assert.ok(Number(before) > 1500000, before);
  assert.equal(after, "1500000");
});

simulatedTest("the rest of the machine stays to be seen, and nothing of the simulation outside", async () => {
  const real = Deno.readTextFileSync("/sys/devices/system/cpu/online").trim();
  const { out, err } = await shell(
    "cat /sys/devices/system/cpu/online; ls /sys/class/net/lo/; echo x > /dev/null; grep -c simulated /proc/mounts",
  );
  assert.equal(err, "");
  assert.equal(out[0], real);
  assert.ok(out.includes("address"));
  assert.ok(Number(out.at(-1)) >= 6);
  assert.doesNotMatch(Deno.readTextFileSync("/proc/mounts"), /simulated/);
});

simulatedTest("two simulations beside each other do not see each other", async () => {
  const script = (watts: number) => `echo ${watts}000000 > constraint_0_power_limit_uw; sleep 0.3; cat constraint_0_power_limit_uw`;
  const outcomes = await Promise.all([shell(script(90)), shell(script(130))]);
  assert.deepEqual(outcomes.map(({ out }) => out), [["90000000"], ["130000000"]]);
});

simulatedTest("the exit status is that of the program, and all that it started ends with it", async () => {
  const { code, out } = await shell("setsid sleep 300 >&- 2>&- & echo $!; (sleep 301 >&- 2>&- & echo $!); exit 7");
  assert.equal(code, 7);
  assert.equal(out.length, 2);
  for (const pid of out) assert.ok(!exists(`/proc/${pid}`), pid);
});

simulatedTest("disposing ends a program that ignores signals", async () => {
  let pid = "";
  {
    await using device = new SimulatedDevice([new SimulatedPackage()], [
      "bash",
      "-c",
      "trap '' TERM INT HUP USR1; echo $$; sleep 300 & wait; wait",
    ], {
      process: { stdin: "null", stdout: "piped" },
    });
    const reader = device.child.stdout.getReader();
    pid = new TextDecoder().decode((await reader.read()).value).trim();
    await reader.cancel();
  }
  assert.match(pid, /^\d+$/);
  assert.ok(!exists(`/proc/${pid}`));
});

simulatedTest("a simulation that is killed leaves no process, no mount and no file", async () => {
  const state = Deno.makeTempDirSync({ prefix: "nodeos-test-" });
  await using simulation = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "-A",
      "--no-check",
      `${checkout}scripts/nodeos.ts`,
      "power",
      "simulate",
      "--",
      "bash",
      "-c",
      "echo $PPID $$ $NODEOS_SIMULATED; sleep 300 & wait",
    ],
    env: { NODEOS_STATE: state },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = simulation.stdout.getReader();
  const [helper, program, at] = new TextDecoder().decode((await reader.read()).value).trim().split(" ");
  await reader.cancel();
  simulation.kill("SIGKILL");
  await simulation.status;
  for (let tries = 0; tries < 200 && [helper, program].some((pid) => exists(`/proc/${pid}`)); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const path of [`/proc/${helper}`, `/proc/${program}`, at, at.replace(/\/[^/]*$/, "")]) assert.ok(!exists(path), path);
  assert.doesNotMatch(Deno.readTextFileSync("/proc/mounts"), /simulated/);
  assert.deepEqual([...Deno.readDirSync(state)], []);
  Deno.removeSync(state);
});

simulatedTest("a program whose files are served no more is killed", async () => {
  await using device = new SimulatedDevice([new SimulatedPackage()], ["bash", "-c", "echo $$; exec sleep 300"], {
    process: { stdin: "null", stdout: "piped" },
  });
  const reader = device.child.stdout.getReader();
  const pid = new TextDecoder().decode((await reader.read()).value).trim();
  device.child.kill("SIGKILL");
  // The stream ends with the last process that has it.
  assert.equal((await reader.read()).done, true);
  assert.match(pid, /^\d+$/);
  assert.equal(await device.ended(), 137);
});

simulatedTest("a program that is not there, and one that may not be executed, end with the status of a shell", async () => {
  const package_ = new SimulatedPackage();
  const absent = await runSimulated([package_], ["/nonexistent/program"]);
  assert.equal(absent.code, 127);
  assert.match(absent.err, /Cannot run \/nonexistent\/program: No such file/);
  assert.equal((await runSimulated([package_], [`${checkout}deno.json`])).code, 126);
});

simulatedTest("who is not root is told that it takes root", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const machine = new SimulatedMachine([new SimulatedPackage()]);
    using image = new SimulatedImage(`${directory}/image`, machine.names, machine.files);
    for (const path of [directory, image.path]) Deno.chownSync(path, 65534, 65534);
    const args = simulateArguments({ image: image.path, at: directory, over: [], command: ["true"] });
    const { code, stderr } = await new Deno.Command(helperPath(), { args, uid: 65534, gid: 65534 }).output();
    assert.equal(code, 125);
    assert.match(new TextDecoder().decode(stderr), /Cannot simulate a package: .*takes root/);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

simulatedTest("our own registry finds and reads a simulated package", async () => {
  const script = `
    import { Registry } from "${checkout}lib/power/registry.ts";
    import { KernelRoot } from "${checkout}ffi/kernel_root.ts";
    const files = new KernelRoot();
    using registry = Registry.open(files);
    const wanted = ["package0/energy", "package0/temperature", "package0/power-limit"];
    const { values } = registry.snapshot(wanted);
    console.log(JSON.stringify(Object.fromEntries(wanted.map((name, index) => [name, values[index]]))));`;
  const command = [Deno.execPath(), "run", "-A", "-q", "--no-check", "--ext=ts", "-"];
  const quoted = script.replaceAll("'", `'\\''`);
  const { code, out, err } = await shell(`cd ${checkout}; echo '${quoted}' | ${command.join(" ")}`, [
    new SimulatedPackage(undefined, { priorWatts: 150 }),
  ]);
  assert.equal(code, 0, err);
  const values = JSON.parse(out[0]);
  assert.ok(values["package0/energy"] > 0, out[0]);
  assert.ok(values["package0/temperature"] > 35 && values["package0/temperature"] < 96, out[0]);
  assert.equal(values["package0/power-limit"], 205);
});

const toolLack = missing.length > 0 ? `needs ${missing.join(", ")} (Debian: msr-tools, powercap-utils)` : null;

simulatedTest("rdmsr and wrmsr of Debian run as on a machine", async () => {
  const { out, err } = await shell(
    "rdmsr -p 0 0x606; rdmsr -f 14:0 -u 0x610; wrmsr -p 3 0x610 0x5c83c0; rdmsr -p 9 0x610; rdmsr -a 0x1a2 | sort -u; rdmsr 0x999",
    undefined,
    1,
  );
  assert.deepEqual(out, ["a0e03", "1640", "5c83c0", "600000"]);
  assert.match(err, /CPU 0 cannot read MSR 0x00000999/);
}, toolLack);

simulatedTest("powercap-info and powercap-set of Debian run as on a machine", async () => {
  const package_ = new SimulatedPackage();
  const { out, err } = await shell(
    "powercap-set intel-rapl -z 0 -c 0 -l 150000000; sleep 0.2; powercap-info -p intel-rapl -z 0",
    [package_],
  );
  assert.equal(err, "");
  const text = out.join("\n");
  for (const words of [/name: package-0/, /power_limit_uw: 150000000/, /Zone 0:1\n {4}name: dram/, /max_power_uw: 410000000/]) {
    assert.match(text, words);
  }
  assert.equal(limitOf(package_) & 0x7fffn, 1200n);
}, toolLack);

/** Runs a program on an image that no simulation looks after. */
async function unattended(change: (bytes: Uint8Array<ArrayBuffer>) => void, command: readonly string[]) {
  const directory = Deno.makeTempDirSync();
  try {
    const machine = new SimulatedMachine([new SimulatedPackage()]);
    using image = new SimulatedImage(`${directory}/image`, machine.names, machine.files);
    machine.read(image.values);
    image.publish();
    const bytes = Deno.readFileSync(image.path);
    change(bytes);
    Deno.writeFileSync(image.path, bytes);
    Deno.mkdirSync(`${directory}/at`);
    const args = simulateArguments({ image: image.path, at: `${directory}/at`, over: machineDirectories, command });
    const { code, signal, stdout, stderr } = await new Deno.Command(helperPath(), { args, stdin: "null", env: { LC_ALL: "C" } }).output();
    const [out, err] = [stdout, stderr].map((part) => new TextDecoder().decode(part));
    return { code, signal, out, err, writes: image.takeWrites() };
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

simulatedTest("while the simulation stands still, what was written last is read, until there is no more room", async () => {
  const script = `${registerWords}
    for i in {1..257}; do echo $((i * 1000000)) > constraint_0_power_limit_uw; done; cat constraint_0_power_limit_uw`;
  const { out, err, writes } = await unattended(() => {}, ["bash", "-c", script]);
  assert.equal(out.trim(), "256000000");
  assert.equal(err.match(/Device or resource busy/g)?.length, 1, err);
  assert.deepEqual([writes.length, writes[255].bits], [256, 256000000n]);
});

simulatedTest("an image with a wrong bit is refused or served, and crashes nothing", async () => {
  const script =
    `find . /dev/cpu > /dev/null 2>&1; cat name energy_uj > /dev/null 2>&1; ${registerWords} read_register 0 0x610 > /dev/null 2>&1; true`;
  let refused = 0;
  for (let round = 0; round < 24; round++) {
    const { code, signal } = await unattended((bytes) => {
      // In the head, then where the nodes begin: both are most of what is checked.
      const at = round < 8 ? round * 4 + 1 : 64 + 256 * 16 + (round - 8) * 61;
      bytes[at] ^= 1 << (round % 8);
    }, ["timeout", "5", "bash", "-c", script]);
    assert.equal(signal, null);
    assert.ok(code === 0 || code === 125, `${round}: ${code}`);
    if (code === 125) refused++;
  }
  assert.ok(refused >= 6, `${refused}`);
});

Deno.test("a simulated device refuses a time scale that is none", () => {
  for (const timeScale of [NaN, -1, 1001, Infinity]) {
    assert.throws(() => new SimulatedDevice([new SimulatedPackage()], ["true"], { timeScale }), /Cannot simulate at time scale/);
  }
});

Deno.test("nodeos-helper simulate says what is lacking", async () => {
  const cases: [string[], number, RegExp][] = [
    [["simulate"], 2, /--image, --at and a program behind -- are needed/],
    [["simulate", "--image=x", "--at=y", "--"], 2, /are needed/],
    [["simulate", "--image=/nonexistent", "--at=/tmp", "--", "true"], 125, /Cannot use the image \/nonexistent: No such file/],
    [["simulate", `--image=${checkout}deno.json`, "--at=/tmp", "--", "true"], 125, /Cannot use the image .*: Bad message/],
  ];
  for (const [args, status, words] of cases) {
    const { code, stderr } = await new Deno.Command(helperPath(), { args }).output();
    assert.equal(code, status);
    assert.match(new TextDecoder().decode(stderr), words);
  }
});
