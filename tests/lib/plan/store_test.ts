import assert from "node:assert/strict";
import { RefusedError } from "../../../lib/errors.ts";
import { emptyLedger, type Ledger } from "../../../lib/plan/ledger.ts";
import { isAlive, ownerSelf, startTicksOf, Store } from "../../../lib/plan/store.ts";
import { launch, wait } from "../../../ffi/launch.ts";
import { isRoot, kernel as live, until } from "../../ffi/host.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

wait(launch({ argv: ["true"] }));

const kernel = new FakeKernel({ version: 2, cpuCount: 2 });
const bootId = kernel.read("/proc/sys/kernel/random/boot_id").trim();

function ledgerOf(...names: string[]): Ledger {
  return { version: 1, bootId, holdings: names.map((name) => ({ name, owner: null, spec: {}, createdAtMs: 0, steps: [] })) };
}

const hasPrlimit = await new Deno.Command("prlimit", { args: ["--version"], stdout: "null" }).output().then(
  ({ success }) => success,
  () => false,
);

/** A directory that is not there yet, inside one that is removed when disposed. */
class Place implements Disposable {
  readonly #parent = Deno.makeTempDirSync({ prefix: "nodeos-store-" });
  readonly path = `${this.#parent}/run/nodeos`;

  [Symbol.dispose](): void {
    Deno.removeSync(this.#parent, { recursive: true });
  }
}

/** Another process that locks the same directory, says so, and does what `then` says. */
function locker(place: Place, then: string): Deno.ChildProcess {
  const code = `
    const { Store } = await import(${JSON.stringify(new URL("../../../lib/plan/store.ts", import.meta.url).href)});
    const lock = await new Store(null, ${JSON.stringify(place.path)}).lock();
    await Deno.stdout.write(new TextEncoder().encode("locked"));
    ${then}`;
  return new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", code], stdin: "piped", stdout: "piped" }).spawn();
}

async function isLocked(child: Deno.ChildProcess): Promise<void> {
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), "locked");
  await reader.cancel();
}

Deno.test("Store.read() finds an empty ledger where nothing was ever kept, and makes no file", () => {
  using place = new Place();
  assert.deepEqual(new Store(kernel, place.path).read(), emptyLedger(bootId));
  assert.throws(() => Deno.statSync(place.path), Deno.errors.NotFound);
});

Deno.test("Store.read() inverts Store.write(), in another store as well", async () => {
  using place = new Place();
  const store = new Store(kernel, place.path);
  using _lock = await store.lock();
  for (const ledger of [ledgerOf("a"), ledgerOf("a", "b"), ledgerOf()]) {
    store.write(ledger);
    assert.deepEqual(store.read(), ledger);
    assert.deepEqual(new Store(kernel, place.path).read(), ledger);
  }
});

Deno.test("Store.write() replaces the file: who has the old one open reads it to its end", async () => {
  using place = new Place();
  const store = new Store(kernel, place.path);
  using _lock = await store.lock();
  store.write(ledgerOf("old"));
  using before = Deno.openSync(`${place.path}/ledger.json`);
  store.write(ledgerOf("new", "newer"));
  const buffer = new Uint8Array(1000);
  const length = before.readSync(buffer)!;
  assert.deepEqual(JSON.parse(new TextDecoder().decode(buffer.subarray(0, length))), ledgerOf("old"));
  assert.deepEqual([...Deno.readDirSync(place.path)].map(({ name }) => name).sort(), ["ledger.json", "lock"]);
});

const whole = JSON.stringify(ledgerOf("a"));
const torn = whole.slice(0, whole.length / 2);
for (
  const [when, files, found] of [
    ["while it wrote the first ledger", { "ledger.json.first": torn }, ledgerOf()],
    ["before it named the first ledger", { "ledger.json.first": whole }, ledgerOf()],
    ["while it wrote the next ledger", { "ledger.json": whole, "ledger.json.new": torn }, ledgerOf("a")],
    ["before it wrote a byte of the next ledger", { "ledger.json": whole, "ledger.json.new": "" }, ledgerOf("a")],
    ["before it removed the old ledger", { "ledger.json": whole, "ledger.json.new": JSON.stringify(ledgerOf("b")) }, ledgerOf("a")],
    ["before it named the next ledger", { "ledger.json.new": whole }, ledgerOf("a")],
  ] as [string, Record<string, string>, Ledger][]
) {
  Deno.test(`Store goes on from a writer that died ${when}`, async () => {
    using place = new Place();
    const store = new Store(kernel, place.path);
    using _lock = await store.lock();
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${place.path}/${name}`, text);
    assert.deepEqual(store.read(), found);
    assert.deepEqual(new Store(kernel, place.path).read(), found);
    store.write(ledgerOf("c"));
    assert.deepEqual(store.read(), ledgerOf("c"));
    // And who writes without having read first.
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${place.path}/${name}`, text);
    new Store(kernel, place.path).write(ledgerOf("d"));
    assert.deepEqual(new Store(kernel, place.path).read(), ledgerOf("d"));
  });
}

Deno.test({
  name: "Store goes on from a writer that the kernel kills in the middle of a write [needs prlimit]",
  ignore: !hasPrlimit,
  async fn() {
    using place = new Place();
    // Who writes beyond the limit dies of SIGXFSZ, with a part of the file written.
    const die = async (name: string) => {
      const child = locker(
        place,
        `
        await Deno.stdin.read(new Uint8Array(1));
        new Store({ read: () => ${JSON.stringify(bootId)} }, ${JSON.stringify(place.path)}).write(${JSON.stringify(ledgerOf(name))});
        await new Promise((resolve) => setTimeout(resolve, 60_000));`,
      );
      await isLocked(child);
      assert((await new Deno.Command("prlimit", { args: ["--pid", `${child.pid}`, "--fsize=10"] }).output()).success);
      const writer = child.stdin.getWriter();
      await writer.write(new Uint8Array(1));
      await writer.close();
      assert.equal((await child.status).signal, "SIGXFSZ");
    };
    const store = new Store(kernel, place.path);
    await die("first");
    assert.deepEqual(store.read(), ledgerOf());
    store.write(ledgerOf("a"));
    await die("second");
    assert.deepEqual(store.read(), ledgerOf("a"));
    store.write(ledgerOf("b"));
    assert.deepEqual(store.read(), ledgerOf("b"));
  },
});

Deno.test("Store.read() needs no lock: while another process writes, it sees one whole ledger or the other", async () => {
  using place = new Place();
  const child = locker(
    place,
    `
    const store = new Store(null, ${JSON.stringify(place.path)});
    const ledger = ${JSON.stringify(ledgerOf("a"))};
    for (let i = 0, end = Date.now() + 400; i < 2 || Date.now() < end; i++) {
      store.write({ ...ledger, holdings: [{ ...ledger.holdings[0], name: "a".repeat(1 + i % 2 * 9000) }] });
    }`,
  );
  await isLocked(child);
  const store = new Store(kernel, place.path);
  let isOver = false;
  const ended = child.stdin.close().then(() => child.status).then(() => isOver = true);
  const lengths = new Set<number>();
  let readCount = 0;
  while (!isOver) {
    for (let i = 0; i < 100; i++, readCount++) {
      const [holding] = store.read().holdings;
      if (holding) lengths.add(holding.name.length);
      else assert.equal(lengths.size, 0, "it saw nothing where there was something");
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await ended;
  assert(readCount > 100);
  assert.deepEqual([...lengths].sort(), [1, 9001]);
});

Deno.test("Store.read() forgets the ledger of another boot", async () => {
  using place = new Place();
  const store = new Store(kernel, place.path);
  using _lock = await store.lock();
  store.write({ ...ledgerOf("a"), bootId: "of yesterday" });
  assert.deepEqual(store.read(), emptyLedger(bootId));
});

Deno.test("Store.read() says what it cannot read, and the remedy", async () => {
  using place = new Place();
  const store = new Store(kernel, place.path);
  using _lock = await store.lock();
  Deno.mkdirSync(`${place.path}/ledger.json`);
  assert.throws(
    () => store.read(),
    (error) => error instanceof RefusedError && /Cannot read .*ledger\.json/.test(error.message) && error.remedy !== undefined,
  );
});

Deno.test("Store.lock() keeps another process out until it is disposed", async () => {
  using place = new Place();
  Deno.mkdirSync(place.path, { recursive: true });
  const file = `${place.path}/done`;
  const child = locker(
    place,
    `
    await new Promise((resolve) => setTimeout(resolve, 150));
    Deno.writeTextFileSync(${JSON.stringify(file)}, "done");
    lock[Symbol.dispose]();`,
  );
  await isLocked(child);
  assert.throws(() => Deno.statSync(file), Deno.errors.NotFound);
  using _lock = await new Store(kernel, place.path).lock();
  assert.equal(Deno.readTextFileSync(file), "done");
  await child.stdin.close();
  assert((await child.status).success);
});

Deno.test("Store.lock() comes free when the process that has it is killed", async () => {
  using place = new Place();
  const child = locker(place, "await new Promise((resolve) => setTimeout(resolve, 60_000));");
  await isLocked(child);
  child.kill("SIGKILL");
  await child.stdin.close();
  using _lock = await new Store(kernel, place.path).lock();
  await child.status;
});

Deno.test("Store.lock() comes free when it is disposed, and disposing twice is harmless", async () => {
  using place = new Place();
  const store = new Store(kernel, place.path);
  const lock = await store.lock();
  lock[Symbol.dispose]();
  using _again = await store.lock();
});

Deno.test("Store.lock() says where state cannot be kept, and the remedy", async () => {
  using place = new Place();
  Deno.mkdirSync(place.path.slice(0, place.path.lastIndexOf("/")));
  Deno.writeTextFileSync(place.path, "a file");
  await assert.rejects(async () => await new Store(kernel, place.path).lock(), (error) => {
    assert(error instanceof RefusedError);
    assert(error.message.includes(place.path));
    assert.match(error.remedy ?? "", /NODEOS_STATE/);
    return true;
  });
});

Deno.test("isAlive() knows this process, and no other under its number", () => {
  const owner = ownerSelf(live);
  assert.equal(owner.pid, Deno.pid);
  assert(isAlive(live, owner));
  assert(!isAlive(live, { ...owner, startTicks: `${Number(owner.startTicks) + 1}` }));
});

Deno.test("isAlive() takes a process that ended and was not waited for as dead", async () => {
  const program = launch({ argv: ["true"] });
  await until("it has ended", () => / Z /.test(live.read(`/proc/${program.pid}/stat`)));
  assert.equal(startTicksOf(live, program.pid), null);
  wait(program);
  assert.equal(startTicksOf(live, program.pid), null);
});

Deno.test("startTicksOf() is not deceived by the name of a program", () => {
  const stat = `7 (a) Z 9 (b)) S 1 ${"0 ".repeat(17)}4242 0 0\n`;
  assert.equal(startTicksOf(new MemoryRoot({ "/proc/7/stat": stat }), 7), "4242");
  assert.equal(startTicksOf(new MemoryRoot({}), 7), null);
});

Deno.test({
  name: "Store keeps its ledger readable for everybody and writable for its owner only [needs root]",
  ignore: !isRoot,
  async fn() {
    using place = new Place();
    const store = new Store(kernel, place.path);
    using _lock = await store.lock();
    store.write(ledgerOf("a"));
    assert.equal(Deno.statSync(`${place.path}/ledger.json`).mode! & 0o777, 0o644);
    assert.equal(Deno.statSync(`${place.path}/lock`).mode! & 0o777, 0o600);
  },
});
