import assert from "node:assert/strict";
import { type KernelEntry, KernelRoot } from "../../../ffi/kernel_root.ts";
import { getAffinity, setAffinity } from "../../../ffi/task.ts";
import { formatCpuList } from "../../../lib/kernel/cpulist.ts";
import { concernsCpusets, remember, remind } from "../../../lib/plan/affinities.ts";
import { emptyLedger, type Ledger } from "../../../lib/plan/ledger.ts";
import { startTicksOf } from "../../../lib/plan/store.ts";

// Whatever a test loads, it would have to unload.
new KernelRoot().tryRead("/proc/self/stat");
const cpus = getAffinity(0);
const online = formatCpuList(cpus);
const lacksCpus = cpus.length < 2;
const note = lacksCpus ? " [needs two CPUs]" : "";

/** This machine under another kernel, with cgroup v2, and with one process only: no test may touch those of others. */
class OldKernel extends KernelRoot {
  readonly #texts: ReadonlyMap<string, string>;

  constructor(readonly pid: number, release: string, effective: string) {
    super();
    this.#texts = new Map([
      ["/proc/sys/kernel/osrelease", `${release}\n`],
      ["/proc/self/mountinfo", "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"],
      ["/sys/fs/cgroup/cgroup.controllers", "cpuset\n"],
      ["/sys/fs/cgroup/cpuset.cpus.effective", `${effective}\n`],
      ["/sys/devices/system/cpu/present", `${online}\n`],
      [`/proc/${pid}/cgroup`, "0::/\n"],
    ]);
  }

  override tryRead(path: string): string | null {
    return this.#texts.get(path) ?? super.tryRead(path);
  }

  override list(path: string): KernelEntry[] {
    return path === "/proc" ? [{ name: `${this.pid}`, kind: "directory" }] : super.list(path);
  }
}

/** A ledger with a container of version 2. */
const ledger: Ledger = {
  ...emptyLedger("boot"),
  holdings: [{
    name: "sim",
    owner: null,
    spec: {},
    createdAtMs: 0,
    steps: [{ kind: "controller", what: "/sys/fs/cgroup:cpuset", from: "-", to: "+", why: "" }],
  }],
};

/** A process of the test's own, on CPUs of its own choice. */
class Sleeper implements AsyncDisposable {
  readonly #child = new Deno.Command("sleep", { args: ["100"] }).spawn();
  readonly pid = this.#child.pid;

  constructor(chosen: readonly number[]) {
    setAffinity(this.pid, chosen);
  }

  /** As notes name it. */
  get thread(): string {
    return `${this.pid}:${startTicksOf(new KernelRoot(), this.pid)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

for (const release of ["6.14.0", "7.2.12+deb13-amd64", "10.0.1"]) {
  Deno.test(`remember() notes nothing on Linux ${release}, which forgets nothing`, () => {
    assert.equal(remember(new OldKernel(Deno.pid, release, online), ledger), ledger);
  });
}

Deno.test("remember() notes nothing where no cgroup v2 is changed", () => {
  const without = { ...ledger, holdings: [{ ...ledger.holdings[0], steps: [] }] };
  assert.equal(remember(new OldKernel(Deno.pid, "6.1.0", online), without), without);
});

Deno.test({
  name: `remind() gives a thread the CPUs that it chose, after the kernel forgot them${note}`,
  ignore: lacksCpus,
  async fn() {
    await using sleeper = new Sleeper([cpus[1]]);
    const kernel = new OldKernel(sleeper.pid, "6.1.0-50-amd64", online);
    const noted = remember(kernel, ledger);
    assert.deepEqual(noted, { ...ledger, affinities: { [sleeper.thread]: `${cpus[1]}` }, disturbed: true });
    setAffinity(sleeper.pid, cpus);
    assert.deepEqual(remind(kernel, noted), ledger);
    assert.deepEqual(getAffinity(sleeper.pid), [cpus[1]]);
  },
});

Deno.test({
  name: `remember() leaves out threads that chose nothing${note}`,
  ignore: lacksCpus,
  async fn() {
    await using sleeper = new Sleeper(cpus);
    assert.deepEqual(remember(new OldKernel(sleeper.pid, "6.1.0", online), ledger).affinities, {});
    // A container has the others: this is all that is left, not a choice.
    setAffinity(sleeper.pid, [cpus[0]]);
    assert.deepEqual(remember(new OldKernel(sleeper.pid, "6.1.0", `${cpus[0]}`), ledger).affinities, {});
  },
});

Deno.test({
  name: `remember() keeps what was noted for a thread that has the rest of it, and forgets it for one that chose again${note}`,
  ignore: lacksCpus,
  async fn() {
    await using sleeper = new Sleeper([cpus[0]]);
    const noted = { ...ledger, affinities: { [sleeper.thread]: `${cpus[0]},4095` } };
    const kernel = new OldKernel(sleeper.pid, "6.1.0", online);
    assert.deepEqual(remember(kernel, noted).affinities, noted.affinities);
    setAffinity(sleeper.pid, [cpus[1]]);
    assert.deepEqual(remember(kernel, noted).affinities, { [sleeper.thread]: `${cpus[1]}` });
  },
});

Deno.test({
  name: `remember() trusts what was noted before an interrupted change, whatever the thread has now${note}`,
  ignore: lacksCpus,
  async fn() {
    await using sleeper = new Sleeper([cpus[1]]);
    const noted = { ...ledger, affinities: { [sleeper.thread]: `${cpus[0]}` }, disturbed: true } as const;
    const kernel = new OldKernel(sleeper.pid, "6.1.0", online);
    assert.deepEqual(remember(kernel, noted), noted);
    assert.deepEqual(remind(kernel, noted), ledger);
    assert.deepEqual(getAffinity(sleeper.pid), [cpus[0]]);
  },
});

Deno.test({
  name: `remind() keeps a note that says just what containers left, until there is more to choose from${note}`,
  ignore: lacksCpus,
  async fn() {
    await using sleeper = new Sleeper([cpus[0]]);
    const noted = remember(new OldKernel(sleeper.pid, "6.1.0", online), ledger);
    // A container has the others now; of this thread the kernel knows no more than of one that chose nothing.
    const crowded = new OldKernel(sleeper.pid, "6.1.0", `${cpus[0]}`);
    const kept = remind(crowded, noted);
    assert.deepEqual(kept, { ...ledger, affinities: { [sleeper.thread]: `${cpus[0]}` } });
    const again = remember(crowded, kept);
    assert.deepEqual(again, noted);
    // The container leaves.
    setAffinity(sleeper.pid, cpus);
    assert.deepEqual(remind(new OldKernel(sleeper.pid, "6.1.0", online), again), ledger);
    assert.deepEqual(getAffinity(sleeper.pid), [cpus[0]]);
  },
});

Deno.test({
  name: `remind() ends a note of all CPUs once nobody has any of them${note}`,
  ignore: lacksCpus,
  async fn() {
    await using sleeper = new Sleeper([cpus[0]]);
    const noted = { ...ledger, affinities: { [sleeper.thread]: online }, disturbed: true } as const;
    assert.deepEqual(remind(new OldKernel(sleeper.pid, "6.1.0", online), noted), ledger);
    assert.deepEqual(getAffinity(sleeper.pid), cpus);
  },
});

/** The same machine with cgroup v1: its threads forget what they chose when they go to another cpuset. */
class OldCpusets extends OldKernel {
  override tryRead(path: string): string | null {
    switch (path) {
      case "/proc/self/mountinfo":
        return "25 20 0:22 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
      case "/sys/fs/cgroup/cpuset/cpuset.effective_cpus":
        return `${online}\n`;
      case `/proc/${this.pid}/cgroup`:
        return "3:cpuset:/\n0::/\n";
      default:
        return super.tryRead(path);
    }
  }
}

function evacuated(what: string): Ledger {
  return { ...emptyLedger("boot"), node: { steps: [{ kind: "member", what, from: "/", to: "/nodeos-others", why: "" }] } };
}

Deno.test({
  name: `remember() notes on version 1, on any kernel, what threads had chosen that are moved to another cpuset${note}`,
  ignore: lacksCpus,
  async fn() {
    await using sleeper = new Sleeper([cpus[1]]);
    const kernel = new OldCpusets(sleeper.pid, "7.2.0", online);
    const ledger = evacuated(`${sleeper.thread}@/sys/fs/cgroup/cpuset:cpuset`);
    const noted = remember(kernel, ledger);
    assert.deepEqual(noted, { ...ledger, affinities: { [sleeper.thread]: `${cpus[1]}` }, disturbed: true });
    setAffinity(sleeper.pid, cpus);
    assert.deepEqual(remind(kernel, noted), ledger);
    assert.deepEqual(getAffinity(sleeper.pid), [cpus[1]]);
  },
});

Deno.test("remember() notes nothing where processes are moved on version 2, which forgets nothing", () => {
  const ledger = evacuated(`${Deno.pid}:1@/sys/fs/cgroup:`);
  assert.equal(remember(new OldKernel(Deno.pid, "7.2.0", online), ledger), ledger);
});

Deno.test({
  name: `remember() and remind() leave alone threads whose CPUs are a step of ours${note}`,
  ignore: lacksCpus,
  async fn() {
    await using sleeper = new Sleeper([cpus[0]]);
    const kernel = new OldKernel(sleeper.pid, "6.1.0", online);
    const step = { kind: "affinity", what: sleeper.thread, from: online, to: `${cpus[0]}`, why: "" } as const;
    const governed: Ledger = { ...ledger, node: { steps: [step] } };
    assert.deepEqual(remember(kernel, governed).affinities, {});
    const noted: Ledger = { ...governed, affinities: { [sleeper.thread]: `${cpus[1]}` }, disturbed: true };
    assert.deepEqual(remind(kernel, noted).affinities, noted.affinities);
    assert.deepEqual(getAffinity(sleeper.pid), [cpus[0]]);
  },
});

Deno.test("concernsCpusets() knows steps after which the kernel may have forgotten affinities", () => {
  const step = (kind: "file" | "member" | "refuge", what: string) => ({ kind, what, from: null, to: "", why: "" }) as const;
  assert(concernsCpusets(step("file", "/sys/fs/cgroup/a/cpuset.cpus")));
  assert(concernsCpusets(step("file", "/sys/devices/system/cpu/cpu3/online")));
  assert(concernsCpusets(step("member", "1:2@/sys/fs/cgroup:")));
  assert(!concernsCpusets(step("file", "/proc/sys/kernel/watchdog")));
});

Deno.test("remind() forgets threads that ended, and leaves a ledger alone that nothing disturbed", () => {
  const kernel = new OldKernel(Deno.pid, "6.1.0", online);
  assert.deepEqual(remind(kernel, { ...ledger, affinities: { "4194303:1": "0" }, disturbed: true }), ledger);
  assert.equal(remind(kernel, ledger), ledger);
});
