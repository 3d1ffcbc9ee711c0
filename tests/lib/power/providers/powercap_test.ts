import assert from "node:assert/strict";
import { powercapProvider } from "../../../../lib/power/providers/powercap.ts";
import { intelWithKernel, PowerMachine } from "../machines.ts";

const root = "/sys/class/powercap";

Deno.test("powercapProvider() names zones by what they are, nested ones by their package", () => {
  const zone = (path: string, name: string) => ({ [`${root}/${path}/name`]: `${name}\n`, [`${root}/${path}/energy_uj`]: "5000000\n" });
  const files = {
    ...zone("intel-rapl:0", "package-0-die-1"),
    ...zone("intel-rapl:0/intel-rapl:0:0", "core"),
    ...zone("intel-rapl:0/intel-rapl:0:1", "uncore"),
    ...zone("intel-rapl:0/intel-rapl:0:2", "dram"),
    // The kernel shows nested zones at the top as well.
    ...zone("intel-rapl:0:2", "dram"),
    ...zone("intel-rapl:1", "psys"),
    ...zone("intel-rapl-mmio:0", "package-0"),
    [`${root}/intel-rapl/enabled`]: "1\n",
  };
  using machine = new PowerMachine({ files });
  assert.deepEqual(powercapProvider(machine).meters.map(({ name }) => name).sort(), [
    "dram0/energy",
    "package0/die1-cores-energy",
    "package0/die1-energy",
    "package0/die1-graphics-energy",
    "package0/mmio-energy",
    "psys0/energy",
  ]);
});

Deno.test("powercapProvider() has the range of a limit from the kernel, and where a counter begins again", () => {
  using machine = new PowerMachine({ files: intelWithKernel.files });
  const provider = powercapProvider(machine);
  const find = (name: string) => provider.meters.find((meter) => meter.name === name)!;
  assert.deepEqual(find("package0/power-limit").range, { min: 1e-6, max: 205 });
  assert.equal(find("package0/energy").wrap, 262143.32885);
  assert.equal(find("package0/power-limit").isWritable, true);
  assert.equal(find("package0/energy").isWritable, false);
});

Deno.test("powercapProvider() writes whole microwatts and microseconds", () => {
  using machine = new PowerMachine({ files: intelWithKernel.files });
  const provider = powercapProvider(machine);
  const to = (name: string, value: number) => provider.plan(provider.meters.find((meter) => meter.name === name)!, value)[0].to;
  assert.equal(to("package0/power-limit", 0.1 + 0.2), "300000");
  assert.equal(to("dram0/power-limit-window", 0.0009765), "976");
});

Deno.test("powercapProvider() says which module a machine without zones lacks", () => {
  using machine = new PowerMachine({ files: { "/sys/class/powercap/intel-rapl/enabled": "1\n" } });
  assert.match(powercapProvider(machine).lacks[0].why, /intel_rapl_msr/);
});
