import assert from "node:assert/strict";
import { cannotIsolate, isolationNote, lastCpu, machineState, TestState } from "../host.ts";
import { live } from "../machines/live.ts";

const cannot = cannotIsolate ?? (live.exists("/proc/kpagecgroup") ? null : "needs /proc/kpagecgroup");
const directory = "/run/nodeos/memory";
const name = "memtest";
const halo = `${directory}/${name}/4KiB-node0/halo`;

/** Maps a file, all of it, uses 1 MiB of its own, and says so; then waits to be ended. */
const mapper = `
import mmap, sys, time
f = open(sys.argv[1], "r+b")
m = mmap.mmap(f.fileno(), 0)
for at in range(0, len(m), 4096): m[at] = 1
own = bytearray(1 << 20)
print("ready", flush=True)
time.sleep(600)
`;
const hasPython = await new Deno.Command("python3", { args: ["-c", ""], stdout: "null", stderr: "null" }).output().then(
  ({ success }) => success,
  () => false,
);

function test(title: string, fn: (state: TestState) => Promise<void>, { python = false } = {}): void {
  const problem = cannot ?? (python && !hasPython ? "needs python3" : null);
  Deno.test({
    name: `nodeos memory ${title}${problem === null ? "" : isolationNote || ` [${problem}]`}`,
    ignore: problem !== null,
    async fn() {
      const before = machineState();
      {
        await using state = new TestState();
        await fn(state);
      }
      assert.deepEqual(machineState(), before);
      assert.equal(live.exists(`${directory}/${name}`), false);
    },
  });
}

/** Makes the container with an object of 1 MiB and a limit of 64 MiB; returns what it said. */
async function up(state: TestState, units = "{ size: 1MiB, object: halo, page: 4KiB }, { size: 64MiB, backend: limit }"): Promise<string> {
  const container = `{ name: ${name}, cpus: ${lastCpu}, memory: { units: [${units}] } }`;
  const { code, stderr } = await state.nodeos(["up", "-"], `apiVersion: nodeos/v1\ncontainers: [${container}]\n`);
  assert.equal(code, 0, stderr);
  return stderr;
}

/** Writes into the object, and leaves it as long as it is. */
function writeAtStart(text: string): void {
  using file = Deno.openSync(halo, { write: true });
  file.writeSync(new TextEncoder().encode(text));
}

/** A process that has an object mapped, in the container or beside it; it ends when disposed. */
async function mapped(command: Deno.ChildProcess): Promise<AsyncDisposable> {
  const reader = command.stdout.getReader();
  // The end of the line may come later.
  assert.match(new TextDecoder().decode((await reader.read()).value), /^ready/);
  return {
    async [Symbol.asyncDispose]() {
      await reader.cancel();
      try {
        command.kill("SIGTERM");
      } catch (error) {
        // It has ended with its container.
        if (!(error instanceof TypeError)) throw error;
      }
      await command.stderr.cancel();
      await command.status;
    },
  };
}

test("shows the machine, a container, and what owns it how; up says it aloud", async (state) => {
  const empty = await state.nodeos(["memory"]);
  assert.equal(empty.code, 0, empty.stderr);
  assert.match(empty.stdout, /^NODE +SIZE[^]*No container has memory of its own/);
  const said = await up(state);
  assert.match(said, new RegExp(`unit halo of ${name}: 1MiB of node 0 in pages of 4KiB, object halo, by tmpfs \\(strong`));
  assert.doesNotMatch(said, /no page belongs to container/);
  const machine = await state.nodeos(["memory"]);
  assert.match(machine.stdout, new RegExp(`${name} +halo +tmpfs`));
  const one = await state.nodeos(["memory", name]);
  assert.match(one.stdout, /halo +1MiB +tmpfs +0 +4KiB +0 B +nobody/);
  assert.match(one.stdout, /shared, objects among it +1 MiB/);
  const { units, counted } = JSON.parse((await state.nodeos(["memory", name, "--json"])).stdout);
  assert.deepEqual(units.map(({ id, bytes }: { id: string; bytes: number }) => [id, bytes]), [["halo", 2 ** 20], ["limit", 2 ** 26]]);
  assert.ok(counted.memory.sharedBytes >= 2 ** 20);
  const { memory } = JSON.parse((await state.nodeos(["memory", "--json"])).stdout);
  assert.equal(memory.units.length, 2);
  assert.match((await state.nodeos(["ps"])).stdout, /OWN MEMORY[^]*memtest +\S+ +65 MiB +1 MiB in 1 unit /);
  assert.match((await state.nodeos(["show", name])).stdout, /MEMORY OF ITS OWN[^]*halo +1MiB of node 0/);
});

test("is not needed to see that no page belongs to a container that asked for some: up and run say it", async (state) => {
  // No multiple of a huge page, and no object: nothing but a limit can be that large.
  const weak = (container: string, size: string) => new RegExp(`no page belongs to container ${container}: its ${size} are a limit only`);
  const run = await state.nodeos(["run", "--name", name, "--cpus", `${lastCpu}`, "--unit", "65540KiB", "--", "true"]);
  assert.deepEqual([run.code, run.stdout], [0, ""]);
  assert.match(run.stderr, weak(name, "65540KiB"));
  assert.match(await up(state, "{ size: 1028KiB }"), weak(name, "1028KiB"));
  assert.match((await state.nodeos(["memory", "grant", name, "4KiB"])).stderr, weak(name, "1032KiB"));
  assert.doesNotMatch((await state.nodeos(["memory", "resize", name, "limit", "64MiB"])).stderr, /no page belongs to container/);
});

test("grants, resizes and revokes objects, keeps their contents, and plans the same", async (state) => {
  await up(state);
  writeAtStart("kept");
  const plan = await state.nodeos(["memory", "grant", name, "ring=64KiB/4KiB", "-n"]);
  assert.match(plan.stdout, /4KiB-node0\/ring +<- 65536 bytes[^]*object ring/);
  assert.equal(live.exists(`${directory}/${name}/4KiB-node0/ring`), false);
  const granted = await state.nodeos(["memory", "grant", name, "ring=64KiB/4KiB"]);
  assert.equal(granted.code, 0, granted.stderr);
  assert.match(granted.stderr, new RegExp(`container ${name} has halo \\(.*\\), limit \\(.*\\), ring \\(64KiB .*\\) now`));
  assert.doesNotMatch(granted.stderr, /no page belongs/);
  const grown = await state.nodeos(["memory", "resize", name, "halo", "2MiB", "--json"]);
  assert.equal(grown.code, 0, grown.stderr);
  assert.equal(JSON.parse(grown.stdout).container.memory.units[0].bytes, 2 ** 21);
  assert.equal(Deno.statSync(halo).size, 2 ** 21);
  assert.equal(Deno.readTextFileSync(halo).slice(0, 4), "kept");
  assert.equal((await state.nodeos(["memory", "resize", name, "halo", "8KiB"])).code, 0);
  assert.equal(Deno.readTextFileSync(halo).slice(0, 5), "kept\0");
  assert.equal((await state.nodeos(["memory", "revoke", name, "ring"])).code, 0);
  assert.equal(live.exists(`${directory}/${name}/4KiB-node0/ring`), false);
  const audit = await state.nodeos(["memory", "audit"]);
  assert.equal(audit.code, 0, audit.stderr);
});

test("proves by page frames that an object is its container's, and finds a stranger who maps it", async (state) => {
  await up(state);
  await using _inside = await mapped(state.spawn("exec", name, "--", "python3", "-c", mapper, halo));
  const good = await state.nodeos(["memory", "audit", name]);
  assert.equal(good.code, 0, good.stdout + good.stderr);
  assert.match(good.stdout, /halo +nobody outside of its container has a frame of it +yes +mapped 256 times/);
  assert.match(good.stdout, /halo +every page of it is there +yes +1MiB in 256 frames/);
  const shown = JSON.parse((await state.nodeos(["memory", name, "--json"])).stdout);
  const [process] = shown.processes;
  assert.equal(process.unitBytes, 2 ** 20);
  assert.ok(
    process.outside.some(({ name, anonymousBytes }: { name: string; anonymousBytes: number }) => name === "[heap]" && anonymousBytes > 0),
  );
  assert.match((await state.nodeos(["memory", name])).stdout, /python3 \(\d+\)/);

  const refused = await state.nodeos(["memory", "revoke", name, "halo"]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /object halo is mapped by python3 \(process \d+\)/);

  const stranger = new Deno.Command("python3", { args: ["-c", mapper, halo], stdout: "piped", stderr: "piped" }).spawn();
  {
    await using _stranger = await mapped(stranger);
    const bad = await state.nodeos(["memory", "audit", "--json"]);
    assert.equal(bad.code, 1);
    const { holds, findings } = JSON.parse(bad.stdout);
    assert.equal(holds, false);
    const failing = findings.filter(({ verdict }: { verdict: string }) => verdict === "fails");
    assert.deepEqual(failing.map(({ unit, question }: { unit: string; question: string }) => [unit, question]), [["halo", "alone"]]);
    assert.match(failing[0].message, new RegExp(`process ${stranger.pid} of no container has 256 frames`));
  }
  assert.equal((await state.nodeos(["memory", "audit"])).code, 0);
  await state.nodeos(["stop", name, "--grace", "0"]);
}, { python: true });

test("finds an object that one of its programs cut off, and repair makes it whole", async (state) => {
  await up(state);
  Deno.truncateSync(halo, 4096);
  const cut = await state.nodeos(["memory", "audit"]);
  assert.equal(cut.code, 1);
  assert.match(cut.stderr, /container memtest, unit halo: 4KiB of 1MiB are there/);
  assert.equal((await state.nodeos(["verify", "--repair"])).code, 0);
  const { code, stderr } = await state.nodeos(["memory", "audit"]);
  assert.equal(code, 0, stderr);
});

test("draws physical memory by owner", async (state) => {
  await up(state);
  const { code, stdout, stderr } = await state.nodeos(["memory", "--svg", "-"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^<svg [^]*Node 0 · [^]*units of memtest: 1 MiB[^]*<\/svg>\n$/);
  const path = `${state.directory}/memory.svg`;
  assert.equal((await state.nodeos(["memory", "--svg", path])).code, 0);
  assert.match(Deno.readTextFileSync(path), /units of memtest/);
  const refused = await state.nodeos(["memory", "--svg", "/proc/none/memory.svg"]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Cannot write the picture to \/proc\/none\/memory.svg/);
});

test("lists the ways to own memory, the strongest first", async (state) => {
  const { code, stdout } = await state.nodeos(["memory", "backends"]);
  assert.equal(code, 0);
  assert.deepEqual(stdout.split("\n").slice(1, 6).map((line) => line.split(" ")[0]), ["devdax", "hugetlb", "tmpfs", "node", "limit"]);
  const { backends } = JSON.parse((await state.nodeos(["memory", "backends", "--json"])).stdout);
  assert.ok(backends.every(({ ownership }: { ownership: string }) => ownership.length > 0));
});

test("says 1 for what is refused, 2 for wrong words, 4 for what is not there, and changes nothing", async (state) => {
  assert.match((await state.nodeos(["memory", "audit"])).stderr, /there is none/);
  await up(state);
  const cases: [args: string[], code: number, message: RegExp][] = [
    [["nobody"], 4, /Cannot find container "nobody"[^]*There are: memtest/],
    [["memtset"], 4, /did you mean "memtest"/],
    [["audti"], 4, /did you mean "audit"/],
    [["gant", name, "1MiB"], 2, /Cannot "gant" memory; did you mean "grant"/],
    [["grant", name], 2, /Write nodeos memory grant NAME UNIT/],
    [["backends", "x"], 2, /Write nodeos memory backends/],
    [["grant", "nobody", "1GiB"], 4, /Cannot find container "nobody"/],
    [["grant", name, "lots"], 2, /Cannot read "lots" as a size/],
    [["grant", name, "ring=1MiB:hugtlb"], 2, /did you mean "hugetlb"/],
    [["grant", name, "halo=1MiB"], 2, /Cannot grant object "halo" twice/],
    [["grant", name, "ring=4097"], 2, /no multiple of/],
    [["grant", name, "ring=1MiB@900"], 2, /NUMA node 900 does not exist/],
    [["grant", name, "ring=900TiB/4KiB"], 1, /has no 900TiB[^]*Free: node 0/],
    [["resize", name, "hallo", "1MiB"], 4, /Cannot find unit "hallo" of container memtest; did you mean "halo"/],
    [["resize", name, "halo", "4097"], 2, /no multiple of/],
    [["revoke", name, "node7"], 4, /Cannot find unit "node7"/],
    [["audit", "nobody"], 4, /Cannot find container "nobody"/],
    [["--svg", "x.svg", name], 2, /Cannot draw anything but the whole machine/],
    [["--svg", "-", "--json"], 2, /Cannot write a picture and something else/],
    [["-n"], 2, /Cannot plan nothing/],
  ];
  for (const [args, code, message] of cases) {
    const result = await state.nodeos(["memory", ...args]);
    assert.equal(result.code, code, `${args.join(" ")}: ${result.stderr}`);
    assert.match(result.stderr, message);
  }
  const { memory } = JSON.parse((await state.nodeos(["memory", "--json"])).stdout);
  assert.deepEqual(memory.units.map(({ unit }: { unit: { id: string; bytes: number } }) => [unit.id, unit.bytes]), [["halo", 2 ** 20], [
    "limit",
    2 ** 26,
  ]]);
});
