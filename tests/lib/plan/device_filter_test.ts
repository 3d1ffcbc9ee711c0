import assert from "node:assert/strict";
import { readDeviceFilter } from "../../../ffi/device_filter.ts";
import { SysError } from "../../../ffi/errors.ts";
import { hierarchyOf, readCgroupLayout } from "../../../lib/kernel/cgroup.ts";
import { filterDriver, formatRules } from "../../../lib/plan/device_filter.ts";
import { apply, prepare, undo, verify } from "../../../lib/plan/executor.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { isRoot, kernel, TestCgroup, unifiedMount, until } from "../../ffi/host.ts";
import { shell } from "../../ffi/programs.ts";

/** Where version 1 filters devices, and where version 2 does, if we may. */
const mounts = {
  1: isRoot ? writable(hierarchyOf(readCgroupLayout(kernel), "devices")?.mount ?? null) : null,
  2: unifiedMount !== null && mayFilter(unifiedMount) ? unifiedMount : null,
};

function writable(mount: string | null): string | null {
  try {
    using _group = mount === null ? null : new TestCgroup(mount, "probe");
    return mount;
  } catch (error) {
    if (error instanceof SysError) return null;
    throw error;
  }
}

function mayFilter(mount: string): boolean {
  try {
    return readDeviceFilter(mount) !== null;
  } catch (error) {
    if (error instanceof SysError && ["EPERM", "ENOSYS"].includes(error.code)) return false;
    throw error;
  }
}

const rules = (...more: readonly string[]) => formatRules(["c 1:3 rwm", "c *:* m", "c 136:* rwm", ...more]);
const filter = (what: string, to: string): Change => ({ kind: "filter", what, to, why: "", initial: "" });

Deno.test("formatRules() writes every rule once, in one order", () => {
  assert.equal(formatRules(["c 5:0 rwm", "b 8:0 r", "c 5:0 rwm"]), "b 8:0 r;c 5:0 rwm");
});

for (const version of [1, 2] as const) {
  const mount = mounts[version];

  Deno.test({
    name: `filterDriver sets, changes and ends which devices may be opened on cgroup v${version} [needs root and that]`,
    ignore: mount === null,
    fn() {
      using group = new TestCgroup(mount!, "filter");
      const seat = version === 2 ? { cgroup: group.path } : { tasks: [`${group.path}/tasks`] };
      const opens = (device: string) => shell(`sh -c ': <${device}' 2>/dev/null`, seat).code === 0;
      const first = prepare(kernel, [filter(group.path, rules("c 1:7 r"))]);
      assert.equal(first[0].from, "");
      apply(kernel, first);
      assert.deepEqual(verify(kernel, first), []);
      assert.deepEqual(["/dev/null", "/dev/full", "/dev/zero"].map(opens), [true, true, false]);
      const second = prepare(kernel, [filter(group.path, rules("c 1:5 r"))]);
      assert.equal(second[0].from, first[0].to);
      apply(kernel, second);
      assert.deepEqual(["/dev/null", "/dev/full", "/dev/zero"].map(opens), [true, false, true]);
      assert.deepEqual(undo(kernel, second), []);
      assert.deepEqual(verify(kernel, first), []);
      assert.deepEqual(undo(kernel, first), []);
      assert.equal(filterDriver.read(kernel, group.path), "");
      assert.deepEqual(["/dev/null", "/dev/full", "/dev/zero"].map(opens), [true, true, true]);
    },
  });

  Deno.test({
    name: `filterDriver forbids nothing meanwhile that both lists allow on cgroup v${version} [needs root and that]`,
    ignore: mount === null,
    async fn() {
      using group = new TestCgroup(mount!, "gap");
      filterDriver.write(kernel, group.path, rules());
      const seat = version === 2 ? `${group.path}/cgroup.procs` : `${group.path}/tasks`;
      const script = `echo $$ >${seat}; while : </dev/null; do :; done; echo refused`;
      const child = new Deno.Command("sh", { args: ["-c", script], stdin: "null", stdout: "piped", stderr: "null" }).spawn();
      try {
        await until("it is in the cgroup", () => kernel.read(seat).split("\n").includes(`${child.pid}`));
        for (let round = 0; round < 100; round++) {
          filterDriver.write(kernel, group.path, rules(...Array.from({ length: 20 }, (_, minor) => `c ${round % 2 + 8}:${minor} rwm`)));
        }
      } finally {
        child.kill("SIGKILL");
      }
      const { signal, stdout } = await child.output();
      assert.deepEqual([signal, new TextDecoder().decode(stdout)], ["SIGKILL", ""]);
    },
  });

  Deno.test({
    name: `filterDriver reads null once the cgroup v${version} is gone, and writes nothing for it [needs root and that]`,
    ignore: mount === null,
    fn() {
      const group = new TestCgroup(mount!, "gone");
      filterDriver.write(kernel, group.path, rules());
      group[Symbol.dispose]();
      assert.equal(filterDriver.read(kernel, group.path), null);
      filterDriver.write(kernel, group.path, null);
      assert.deepEqual(undo(kernel, [{ ...filter(group.path, rules()), from: "" }]), []);
    },
  });
}
