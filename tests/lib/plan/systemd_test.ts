import assert from "node:assert/strict";
import { CapturedRoot } from "../../../ffi/captured_root.ts";
import { RefusedError } from "../../../lib/errors.ts";
import { setAllowedCpus } from "../../../lib/plan/systemd.ts";
import { drivers, type Kernel } from "../../../lib/plan/driver.ts";
import { launch, wait } from "../../../ffi/launch.ts";

// Loads the library before the tests, which would take it for a leak.
wait(launch({ argv: ["true"] }));

const unit = "a.slice@/cgroup";

/** A directory with a unit's cgroup and a `systemctl` of the test's, which is found first as long as this is not disposed. */
class FakeSystemd implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "nodeos-systemd-" });
  readonly #path = Deno.env.get("PATH")!;

  constructor(script: string) {
    for (const path of ["cgroup/a.slice", "sys/devices/system/cpu"]) Deno.mkdirSync(`${this.directory}/${path}`, { recursive: true });
    Deno.writeTextFileSync(`${this.directory}/cgroup/a.slice/cpuset.cpus`, "\n");
    Deno.writeTextFileSync(`${this.directory}/sys/devices/system/cpu/online`, "0-7\n");
    Deno.writeTextFileSync(`${this.directory}/systemctl`, `#!/bin/sh\ncd ${this.directory}\n${script}\n`, { mode: 0o755 });
    Deno.env.set("PATH", `${this.directory}:${this.#path}`);
  }

  /** The machine; only systemd changes it. */
  get kernel(): Kernel {
    return new CapturedRoot(this.directory) as CapturedRoot & Kernel;
  }

  /** The calls so far. */
  get calls(): string[] {
    return Deno.readTextFileSync(`${this.directory}/calls`).split("\n").filter(Boolean);
  }

  [Symbol.dispose](): void {
    Deno.env.set("PATH", this.#path);
    Deno.removeSync(this.directory, { recursive: true });
  }
}

// systemd answers before it has written.
const obedient = `echo "$@" >> calls; value=\${4#AllowedCPUs=}; (sleep 0.1; echo "$value" > cgroup/a.slice/cpuset.cpus) > /dev/null 2>&1 &`;

Deno.test("setAllowedCpus() sets the property, and returns when the kernel has it", () => {
  using systemd = new FakeSystemd(obedient);
  const { kernel } = systemd;
  assert.equal(drivers.unit.read(kernel, unit), "");
  drivers.unit.write(kernel, unit, "0");
  assert.equal(drivers.unit.read(kernel, unit), "0");
  assert.deepEqual(systemd.calls, ["set-property --runtime a.slice AllowedCPUs=0"]);
});

Deno.test("setAllowedCpus() gives a unit all CPUs before it lifts the restriction", () => {
  using systemd = new FakeSystemd(obedient);
  setAllowedCpus(systemd.kernel, "a.slice", "/cgroup/a.slice", "");
  assert.deepEqual(systemd.calls, ["set-property --runtime a.slice AllowedCPUs=0-7", "set-property --runtime a.slice AllowedCPUs="]);
  assert.equal(drivers.unit.read(systemd.kernel, unit), "");
});

Deno.test("setAllowedCpus() says what systemctl ended with", () => {
  using systemd = new FakeSystemd("exit 3");
  assert.throws(
    () => setAllowedCpus(systemd.kernel, "a.slice", "/cgroup/a.slice", "0"),
    (error) => error instanceof RefusedError && /systemctl set-property --runtime a\.slice AllowedCPUs=0 ended with 3/.test(error.message),
  );
});

Deno.test("drivers.unit of a unit that is gone reads null, and asks nobody", () => {
  using systemd = new FakeSystemd("exit 3");
  assert.equal(drivers.unit.read(systemd.kernel, "b.slice@/cgroup"), null);
  drivers.unit.write(systemd.kernel, "b.slice@/cgroup", "0");
});
