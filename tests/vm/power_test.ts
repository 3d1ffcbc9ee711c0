import assert from "node:assert/strict";
// First of all: see there.
import "./power_taint.ts";
import { SysError } from "../../ffi/errors.ts";
import { clockNs } from "../../ffi/mod.ts";
import { MsrDevices } from "../../ffi/msr.ts";
import { type Sample, Sampler } from "../../ffi/sampler.ts";
import { RefusedError } from "../../lib/errors.ts";
import { currentWriter } from "../../lib/power/access/writer.ts";
import { PowerSession } from "../../lib/power/access/session.ts";
import { Registry } from "../../lib/power/registry.ts";
import { checkout } from "../host.ts";
import { delay, guestTest, isGuest, kernel, nodeos, read, stateDirectory } from "./guest.ts";
import { guestSession, limitPlace } from "./power_machine.ts";

const cpus = [0, 1, 2, 3, 4, 5, 6, 7];
/** Where the kernel keeps the number of the CPU: of all registers the one that is another one everywhere. */
const cpuNumber = 0xc0000103;
/** An address of machine checks: it holds what is written, and means nothing until there is one. */
const harmless = 0x40e;
const allowWrites = "/sys/module/msr/parameters/allow_writes";

// The library opens on first use and stays open: within a test that would count as a leak.
if (isGuest) {
  clockNs();
  assert.throws(() => new Sampler("/nowhere", { requests: [], periodNs: 0 }), SysError);
  using devices = new MsrDevices("/");
  assert.throws(() => devices.write({ cpu: 0, address: harmless }, 1n, 1n), SysError);
  using _registry = Registry.open(kernel);
}

const tools = isGuest && !hasProgram("rdmsr") ? " [needs rdmsr and wrmsr (Debian: msr-tools)]" : "";

/** A test beside the tools of Debian. */
function toolTest(name: string, body: () => Promise<void> | void): void {
  if (tools === "") guestTest(name, body);
  else Deno.test({ name: name + tools, ignore: true, fn() {} });
}

function hasProgram(name: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null" }).outputSync().success;
}

async function run(...argv: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(argv[0], { args: argv.slice(1) }).output();
  assert(success, `${argv.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

toolTest("registers of every CPU, read in one call, are what rdmsr reads", async () => {
  using devices = new MsrDevices("/");
  const addresses = [0x1b, 0xfe, 0x179, 0x1a0, 0x277, 0x2ff, 0xc0000080, cpuNumber];
  const requests = addresses.flatMap((address) => cpus.map((cpu) => ({ cpu, address })));
  const { values, errors } = devices.read(requests);
  assert(errors.every((error) => error === 0));
  const theirs: string[] = [];
  for (const address of addresses) theirs.push(...(await run("rdmsr", "-a", `0x${address.toString(16)}`)).split("\n"));
  assert.deepEqual([...values].map((value) => value.toString(16)), theirs);
  const numbers = values.subarray(-cpus.length);
  assert.deepEqual([...numbers].map((value) => Number(value & 0xfffn)), cpus);
});

toolTest("what wrmsr writes is read of that CPU alone, and our library does not write it", async () => {
  using devices = new MsrDevices("/");
  const values = () => [...devices.read(cpus.map((cpu) => ({ cpu, address: harmless }))).values];
  const before = values();
  await run("wrmsr", "-p", "3", `0x${harmless.toString(16)}`, "0x123456789abcdef0");
  const written = before.with(3, 0x123456789abcdef0n);
  assert.deepEqual(values(), written);
  assert.throws(
    () => devices.write({ cpu: 3, address: harmless }, 0n, 0xffn),
    (error) => error instanceof SysError && error.code === "EACCES",
  );
  assert.deepEqual(values(), written);
  await run("wrmsr", "-p", "3", `0x${harmless.toString(16)}`, `0x${before[3].toString(16)}`);
  assert.deepEqual(values(), before);
});

guestTest("CPUs that are not there, and registers beyond the last one, are refused", () => {
  using devices = new MsrDevices("/");
  const { errors } = devices.read([{ cpu: 8, address: cpuNumber }, { cpu: 70_000, address: cpuNumber }, { cpu: 7, address: cpuNumber }]);
  assert.deepEqual([...errors], [-2, -6, 0]);
});

guestTest("a setting that the processor takes without effect is refused, and one that the kernel does not let through", async () => {
  const options = guestSession(stateDirectory);
  using _registry = options.registry;
  await using session = await PowerSession.open(options);
  const set = () => session.set("package0/power-limit", 100);
  assert.throws(set, (error) => error instanceof RefusedError && /the machine took it, and stays at 0 W/.test(error.message));
  assert.match(await run("dmesg"), /msr: Write to unrecognized MSR 0x610 by /, "it reached the kernel's driver");
  const before = read(allowWrites);
  kernel.write(allowWrites, "off");
  try {
    assert.throws(set, (error) => error instanceof RefusedError && /EPERM/.test(error.message));
  } finally {
    kernel.write(allowWrites, before);
  }
  assert.deepEqual(await session.end(), []);
});

guestTest("kill -9 of a writer of power: others are kept out while it lives, and nodeos restore puts its setting back", async () => {
  const args = ["run", "-q", "--no-check", "--cached-only", "-A", "tests/vm/power_writer.ts", stateDirectory];
  const child = new Deno.Command(Deno.execPath(), { args, cwd: checkout, stdin: "null", stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /stays at 0 W/);
  const { code, err } = await nodeos("restore");
  assert.equal(code, 1);
  assert.match(err, new RegExp(`process ${child.pid} \\(root\\) sets power`));
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  const steps = currentWriter(kernel, `${stateDirectory}/power`)!.steps;
  assert.deepEqual(steps.map(({ what, from }) => [what, from]), [["msr:1:0x610:0x7fff", "0x0"]]);
  assert.match((await nodeos("restore")).err, /put back 1 setting of power/);
  assert.equal(currentWriter(kernel, `${stateDirectory}/power`), null);
});

guestTest("a CPU that goes while it is sampled has no values until it is back, and the others go on", async () => {
  const requests = cpus.map((cpu) => ({ cpu, address: cpuNumber }));
  using sampler = new Sampler("/", { requests, periodNs: 20e6, capacity: 4096 });
  const samplesUntil = async (isIt: (sample: Sample) => boolean): Promise<Sample[]> => {
    const samples: Sample[] = [];
    for (const from = performance.now(); !samples.some(isIt); await delay(20)) {
      assert(performance.now() - from < 60_000, "nothing changed");
      samples.push(...sampler.read());
    }
    return samples;
  };
  const online = "/sys/devices/system/cpu/cpu5/online";
  const samples = await samplesUntil(({ values }) => values[5] !== null);
  kernel.write(online, "0");
  try {
    samples.push(...await samplesUntil(({ values }) => values[5] === null));
  } finally {
    kernel.write(online, "1");
  }
  samples.push(...await samplesUntil(({ values }) => values[5] !== null));
  for (const { values } of samples) {
    for (const [cpu, value] of values.entries()) {
      assert(value === null ? cpu === 5 : Number(value & 0xfffn) === cpu, `CPU ${cpu}: ${value}`);
    }
  }
});

guestTest("without the kernel's module there are no registers, and it is said which module", async () => {
  const modules = `${checkout}build/vm`;
  const release = read("/proc/sys/kernel/osrelease");
  const kernels = [...Deno.readDirSync(modules)].map(({ name }) => `${modules}/${name}`).filter((path) => path.includes("/kernel-"));
  const own = kernels.find((path) => Deno.readTextFileSync(`${path}/release`).trim() === release)!;
  const module = [...Deno.readDirSync(`${own}/modules`)].find(({ name }) => /^\d+-msr\.ko$/.test(name))!.name;
  await run("busybox", "rmmod", "msr");
  try {
    assert.throws(() => new MsrDevices("/").read([limitPlace]), (error) => error instanceof SysError && error.code === "ENOENT");
    using registry = Registry.open(kernel);
    const { why } = registry.lacks.find(({ what }) => what === "/dev/cpu")!;
    assert.match(why, /not there.*module is msr/);
  } finally {
    await run("busybox", "insmod", `${own}/modules/${module}`);
  }
  using devices = new MsrDevices("/");
  assert.deepEqual([...devices.read([limitPlace]).errors], [0]);
});
