import assert from "node:assert/strict";
import { errno, errnoText, SysError } from "../../../ffi/errors.ts";
import { apply, prepare, undo, verify } from "../../../lib/plan/executor.ts";
import { formatPageShares, parsePageShares, sharesDriver } from "../../../lib/plan/shares.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

// The sanitizer of tests would take the library, loaded with the first error of a fake, for a leak.
errnoText(errno.EPERM);

const path = "/run/nodeos/memory/sim/shares";
const countPath = "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.numa_stat";
const page = 2 ** 21;
const shares = (...counts: number[]) =>
  `policy bind\n${
    formatPageShares({ pageBytes: page, countPath, bytesByNode: new Map(counts.map((count, node) => [node, count * page])) })
  }`;
const change = (to: string): Change => ({ kind: "shares", what: path, to, why: "" });

/** A machine where programs have so many pages on each node. */
function using(...counts: number[]): FakeKernel {
  const kernel = new FakeKernel({ version: 2, cpuCount: 4, nodeCount: 2 });
  kernel.files.set(countPath, `total=0 ${counts.map((count, node) => `N${node}=${count * page}`).join(" ")}`);
  return kernel;
}

Deno.test("parsePageShares() inverts formatPageShares(), and leaves other lines out", () => {
  const some = { pageBytes: page, countPath, bytesByNode: new Map([[1, page], [12, 3 * page]]) };
  assert.equal(formatPageShares(some), `pages ${page} ${countPath} 1 ${page} 12 ${3 * page}`);
  assert.deepEqual(parsePageShares(`policy bind\nnear 0 1 2\n${formatPageShares(some)}`), [some]);
  assert.deepEqual(parsePageShares("policy bind"), []);
});

Deno.test("shares are made, changed and undone", () => {
  const kernel = using(1, 1);
  const before = kernel.snapshot();
  const first = prepare(kernel, [change(shares(2, 1))]);
  assert.equal(first[0].from, null);
  apply(kernel, first);
  const second = prepare(kernel, [change(shares(1, 4))]);
  assert.equal(second[0].from, shares(2, 1));
  apply(kernel, second);
  assert.equal(kernel.files.get(path), `${shares(1, 4)}\n`);
  assert.deepEqual(undo(kernel, second), []);
  assert.deepEqual(verify(kernel, first), []);
  assert.deepEqual(undo(kernel, first), []);
  assert.deepEqual(kernel.snapshot(), before);
  sharesDriver.write(kernel, path, null);
});

Deno.test("a share is not made smaller than what programs have taken of it meanwhile", () => {
  const kernel = using(2, 3);
  apply(kernel, prepare(kernel, [change(shares(4, 2))]));
  const smaller = prepare(kernel, [change(shares(1, 8))]);
  assert.throws(() => apply(kernel, smaller), {
    name: "RefusedError",
    message: /Cannot take huge pages back: its programs use 4 MiB of those of node 0 by now, and 2 MiB would be left/,
  });
  assert.equal(sharesDriver.read(kernel, path), shares(4, 2));
  // What somebody has taken besides is no reason to refuse what is not about it.
  apply(kernel, prepare(kernel, [change(shares(3, 2))]));
  // Nor is what is not told apart any more.
  apply(kernel, prepare(kernel, [change("policy bind")]));
});

Deno.test("a file that stays locked is refused with what may have it", () => {
  const kernel = using(0, 0);
  const memory = {
    ...kernel.memory,
    text: () => null,
    setText: () => {
      throw new SysError("write it", errno.ETIMEDOUT);
    },
  };
  const locked = Object.create(kernel, { memory: { value: memory } }) as FakeKernel;
  assert.throws(() => sharesDriver.write(locked, path, shares(1, 1)), { name: "RefusedError", message: /has had it locked for 10 s/ });
});

Deno.test("sharesDriver reads null on a machine that is made of files, and refuses to change it", () => {
  const files = new MemoryRoot({});
  assert.equal(sharesDriver.read(files, path), null);
  const writer = Object.assign(files, { write() {}, makeDirectory() {}, removeDirectory() {} });
  assert.throws(() => sharesDriver.write(writer, path, shares(1)), { name: "RefusedError", message: /is made of files/ });
});
