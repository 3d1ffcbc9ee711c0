import assert from "node:assert/strict";
import fc from "fast-check";
import { KernelRoot } from "../../../../ffi/kernel_root.ts";
import { clockNs } from "../../../../ffi/mod.ts";
import {
  coresLayout,
  CoresPage,
  decodeCores,
  encodeCores,
  numberOf,
  ownPagePrefix,
  removeDeadPages,
} from "../../../../lib/power/governor/cores_page.ts";

const kernel = new KernelRoot();
// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
kernel.exists("/proc/self");

const isAlive = (pid: number) => kernel.exists(`/proc/${pid}`);
/** Writes to the page as a program may that does not keep to the rules. */
function scribble(page: CoresPage, at: number, bytes: Uint8Array): void {
  using file = Deno.openSync(page.path, { write: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(bytes);
}

Deno.test("whatever a program writes to the page, and however short it cuts it, reading goes on", () => {
  using page = new CoresPage("/dev/shm", 16);
  const size = coresLayout.bytes;
  const cut = fc.option(fc.integer({ min: 0, max: size + 5000 }));
  fc.assert(fc.property(fc.integer({ min: 0, max: size }), fc.uint8Array({ maxLength: 5000 }), cut, (at, bytes, length) => {
    scribble(page, at, bytes);
    if (length !== null) Deno.truncateSync(page.path, length);
    page.ask({ request: 3, wantedCores: 4 });
    const { answers, beatsNs } = page.read(clockNs(), isAlive);
    for (const pid of answers.keys()) assert.ok(isAlive(pid));
    assert.ok(beatsNs.length <= coresLayout.beatCount && beatsNs.every((ns, index) => index === 0 || ns >= beatsNs[index - 1]));
  }));
});

Deno.test("encodeCores() and decodeCores() agree, and one changed bit is seen", () => {
  const word = fc.tuple(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 63 }));
  fc.assert(fc.property(word, ([request, cores, bit]) => {
    assert.deepEqual(decodeCores(encodeCores(request, cores)), { request, cores });
    assert.equal(decodeCores(encodeCores(request, cores) ^ 1n << BigInt(bit)), null);
  }));
  assert.equal(decodeCores(0n), null);
  assert.deepEqual([1, 65535, 65536, 131071].map(numberOf), [1, 65535, 1, 1]);
});

Deno.test({ name: "the page is its user's alone", ignore: Deno.uid() !== 0 }, () => {
  using page = new CoresPage("/dev/shm", 4, { uid: 65534, gid: 65534 });
  const { uid, gid, mode } = Deno.statSync(page.path);
  assert.deepEqual([uid, gid, mode! & 0o777], [65534, 65534, 0o600]);
  page[Symbol.dispose]();
  page[Symbol.dispose]();
  assert.throws(() => Deno.statSync(page.path), Deno.errors.NotFound);
});

Deno.test("removeDeadPages() removes what processes left that are gone, and nothing else", () => {
  const directory = Deno.makeTempDirSync({ dir: "/dev/shm" });
  const kernel = new KernelRoot();
  try {
    const [pid, startTicks] = /-(\d+)-(\d+)-$/.exec(ownPagePrefix(kernel))!.slice(1);
    assert.equal(Number(pid), Deno.pid);
    using page = new CoresPage(directory, 4, undefined, ownPagePrefix(kernel));
    // A process of the number of one that is gone is another one.
    const dead = [`nodeos-cores-${pid}-${Number(startTicks) + 1}-x`, "nodeos-cores-4194999-1-x"];
    const others = ["nodeos-cores-abc", "lock", "ledger.json"];
    for (const name of [...dead, ...others]) Deno.writeTextFileSync(`${directory}/${name}`, "");
    removeDeadPages(kernel, directory);
    const left = [...Deno.readDirSync(directory)].map(({ name }) => name);
    assert.deepEqual(left.toSorted(), [...others, page.path.slice(directory.length + 1)].toSorted());
    removeDeadPages(kernel, `${directory}/none`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
