import assert from "node:assert/strict";
import { letterOf } from "../../scripts/paging/map.ts";
import { checkout, type CommandResult } from "../host.ts";
import { pattern, Scratch } from "../lib/paging/host.ts";

const mib = 2 ** 20;

/** Runs the command with the rights that it has for its users, and to write where tests do. */
async function nodeos(...args: string[]): Promise<CommandResult> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "--no-prompt",
      "-P=admin",
      `--allow-write=${Deno.env.get("TMPDIR") ?? "/tmp"}`,
      `${checkout}scripts/nodeos.ts`,
      ...args,
    ],
    cwd: checkout,
    stdin: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** A program with a region of a file: 16 pages are read, the first two written, and one could not be read. */
async function program(path: string): Promise<{ pid: number } & AsyncDisposable> {
  const script = `
    import { PageBuffer } from "file://${checkout}lib/paging/buffer.ts";
    import { Region } from "file://${checkout}lib/paging/region.ts";
    import { fileStore } from "file://${checkout}lib/paging/stores.ts";
    using buffer = new PageBuffer(${mib});
    using region = Region.mapSync(fileStore(${JSON.stringify(path)}, { write: true }), { buffer, mode: "signal", windowPages: 1 });
    region.populate(0, 65536);
    region.write(0, new Uint8Array(8192));
    console.log("ready");
    await Deno.stdin.read(new Uint8Array(1));`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-A", "--no-check", `data:application/typescript,${encodeURIComponent(script)}`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "ready\n");
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}

Deno.test("nodeos paging stat shows the regions of a process, and of all", async () => {
  using scratch = new Scratch();
  const path = scratch.file("data", pattern(2 * mib));
  await using running = await program(path);
  const { code, stdout, stderr } = await nodeos("paging", "stat", String(running.pid));
  assert.equal(code, 0, stderr);
  const [titles, row, ...rest] = stdout.trimEnd().split("\n");
  assert.match(
    titles,
    /^ +PID +PROCESS +REGION +STORE +MODE +SIZE +RESIDENT +DIRTY +PINNED +LIMIT +FAULTS +READ +WRITTEN +EVICTED +ERRORS$/,
  );
  assert.match(row, new RegExp(`^ *${running.pid}  deno +\\d+  ${path}  signal  2 MiB +64 KiB  8 KiB +0 B  1 MiB +\\d+ +16 +0 +0 +0$`));
  assert.deepEqual(rest, []);

  const all = JSON.parse((await nodeos("paging", "stat", "--json")).stdout);
  const region = all.regions.find(({ pid }: { pid: number }) => pid === running.pid);
  assert.equal(all.schemaVersion, 1);
  assert.deepEqual(
    [
      region.name,
      region.process,
      region.bytes,
      region.pageBytes,
      region.pageCount,
      region.storeBytes,
      region.isWritable,
      region.limitBytes,
    ],
    [path, "deno", 2 * mib, 4096, 512, 2 * mib, true, mib],
  );
  assert.match(region.address, /^0x[0-9a-f]+000$/);
  assert.equal(region.statistics.residentPages, 16);
  assert(region.bufferBytes >= 65_536 && region.bufferBytes <= mib);
});

Deno.test("nodeos paging map shows what pages are, as text, as data and as a picture", async () => {
  using scratch = new Scratch();
  await using running = await program(scratch.file("data", pattern(2 * mib)));
  const { code, stdout, stderr } = await nodeos("paging", "map", String(running.pid));
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0], /^Region \d+: .*data, 2 MiB$/);
  assert.match(lines[2], /^Each character is a page: /);
  assert.equal(lines[3], `ww${"#".repeat(14)}${".".repeat(48)}`);
  assert.deepEqual(lines.slice(4), Array(7).fill(".".repeat(64)));

  const id = /^Region (\d+)/.exec(stdout)![1];
  const { regions: [region] } = JSON.parse((await nodeos("paging", "map", String(running.pid), id, "--json")).stdout);
  assert.equal(region.cells.length, 512);
  assert.deepEqual(region.cells[1], { absent: 0, clean: 0, dirty: 1, poisoned: 0 });
  assert.deepEqual(region.cells[15], { absent: 0, clean: 1, dirty: 0, poisoned: 0 });
  assert.deepEqual(region.cells[16], { absent: 1, clean: 0, dirty: 0, poisoned: 0 });

  const picture = `${scratch.directory}/map.svg`;
  const drawn = await nodeos("paging", "map", String(running.pid), id, "--svg", picture);
  assert.equal(drawn.stderr, `Wrote the picture to ${picture}\n`);
  assert.match(Deno.readTextFileSync(picture), /^<svg [\s\S]*<title>Pages of deno \(\d+\)<\/title>[\s\S]*dirty: 2 pages[\s\S]*<\/svg>\n$/);

  const none = await nodeos("paging", "map", String(running.pid), "9999");
  assert.deepEqual([none.code, none.stderr], [
    4,
    `Cannot show region 9999 of process ${running.pid}: there is none\n  The process has ${id}\n`,
  ]);
});

Deno.test("nodeos paging says when there is no process, or none of its own regions", async () => {
  const gone = await nodeos("paging", "stat", "4194303");
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /^Cannot look into process 4194303: there is none, or it belongs to another user\n/);
  const without = await nodeos("paging", "map", String(Deno.pid));
  assert.deepEqual([without.code, without.stderr.split("\n")[0]], [4, `Cannot show regions of process ${Deno.pid}: it has none`]);
  for (const word of ["0", "-1", "x", "1e3"]) assert.equal((await nodeos("paging", "stat", "--", word)).code, 2, word);
});

Deno.test("nodeos paging bench measures a file of the user's, verifies its data, and leaves it as it was", async () => {
  using scratch = new Scratch();
  const path = scratch.file("data", pattern(4 * mib + 123));
  const patterns = ["rr", "sr", "rw", "sw", "rmw"];
  const { code, stdout, stderr } = await nodeos(
    "paging",
    "bench",
    path,
    "--pattern",
    "all",
    "--mode",
    "signal,plain",
    "--runs",
    "1",
    "--json",
  );
  assert.equal(code, 0, stderr);
  const { results, loop, bufferBytes, touchCount } = JSON.parse(stdout);
  assert.deepEqual([loop, bufferBytes, touchCount], ["C", mib + 30, 1024]);
  assert.deepEqual(
    results.map(({ pattern, mode }: Record<string, string>) => `${pattern} ${mode}`),
    patterns.flatMap((pattern) => [`${pattern} signal`, `${pattern} plain`]),
  );
  for (const { mode, pattern, usPerPage, p50Us, p99Us, maxUs, readPages, writtenPages } of results) {
    assert(usPerPage > 0 && p50Us <= p99Us && p99Us <= maxUs);
    if (mode !== "signal") continue;
    assert(pattern === "sw" || readPages > 500, `${pattern}: ${readPages} pages read`);
    assert.equal(writtenPages > 500, pattern.endsWith("w") || pattern === "rmw", `${pattern}: ${writtenPages} pages written`);
  }
  assert.deepEqual(Deno.readFileSync(path), pattern(4 * mib + 123));

  const text = await nodeos(
    "paging",
    "bench",
    path,
    "--mode",
    "signal",
    "--pattern",
    "sr",
    "--runs",
    "1",
    "--touches",
    "100",
    "--buffer",
    "256KiB",
  );
  assert.match(text.stdout, /^PATTERN +MODE +US\/PAGE +P50 +P99 +MAX +CPU\/PAGE +SWITCHES\/PAGE +FAULTS +READ +WRITTEN\nsr +signal /);
  assert.match(
    text.stdout,
    /page buffer 256 KiB \(none in mode plain\), 100 pages a run, the middle one of 1; a loop in C\. All data was right\.\n$/,
  );
});

Deno.test("nodeos paging bench refuses what it cannot measure, and writes no file that it may not", async () => {
  using scratch = new Scratch();
  const refused = async (code: number, message: RegExp, ...args: string[]) => {
    const result = await nodeos("paging", "bench", ...args);
    assert.match(result.stderr, message);
    assert.equal(result.code, code);
    assert.equal(result.stdout, "");
  };
  await refused(4, /^Cannot measure .*none: there is no such file/, `${scratch.directory}/none`);
  await refused(2, /^Cannot measure .*: it is no file/, scratch.directory);
  const path = scratch.file("data", pattern(2 * mib));
  await refused(2, /it has 100 bytes, and 1 MiB is the least/, scratch.file("short", pattern(100)));
  await refused(2, /--mode: Cannot use "fast" as a mode/, path, "--mode", "fast");
  await refused(2, /--pattern: Cannot use "" as a pattern/, path, "--pattern", "rr,");
  await refused(2, /less than 16 pages/, path, "--buffer", "4KiB");
});

Deno.test("letterOf() shows the worst that is in a piece", () => {
  const letter = (absent: number, clean: number, dirty: number, poisoned: number) => letterOf({ absent, clean, dirty, poisoned });
  assert.deepEqual(
    [letter(9, 0, 0, 0), letter(9, 1, 0, 0), letter(5, 5, 0, 0), letter(0, 9, 0, 0), letter(9, 9, 1, 0), letter(9, 9, 9, 1)],
    [".", "-", "=", "#", "w", "X"],
  );
});
