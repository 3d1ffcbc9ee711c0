import assert from "node:assert/strict";
import { lastCpu } from "../host.ts";
import { type ForwardState, forwardTest, until, Workplace } from "./forward/host.ts";

function test(name: string, fn: (state: ForwardState, work: Workplace) => Promise<void>): void {
  forwardTest(`nodeos trace ${name}`, null, async (state) => {
    using work = new Workplace();
    await fn(state, work);
    // Nothing of a recording stays.
    const traces = exists(`${state.directory}/trace`) ? [...Deno.readDirSync(`${state.directory}/trace`)] : [];
    assert.deepEqual(traces, []);
  });
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const lineOf = (call: string, count: number) => new RegExp(`^${call} +${count} *$`, "m");

test("counts every call of threads and child processes, and the paths that they named", async (state, work) => {
  const counted = work.compile("counted");
  const directory = work.directory("somewhere");
  const { code, stdout, stderr } = await state.nodeos(["trace", "--json", "--", counted, directory, "5"]);
  assert.deepEqual({ code, stderr }, { code: 5, stderr: "" });
  const { program, exitCode, calls, paths } = JSON.parse(stdout);
  assert.deepEqual([program, exitCode], [[counted, directory, "5"], 5]);
  const counts = Object.fromEntries(calls.map(({ call, count }: { call: string; count: number }) => [call, count]));
  assert.deepEqual(
    ["mkdirat", "unlinkat", "faccessat", "readlinkat", "chdir"].map((name) => counts[name]),
    [7, 7, 33, 5, 1],
  );
  const named = paths.filter(({ path }: { path: string }) => /made|absent|somewhere/.test(path))
    .map(({ path, call, count }: { path: string; call: string; count: number }) => `${call} ${path} ${count}`);
  assert.deepEqual(named.sort(), [
    `chdir ${directory} 1`,
    `faccessat ${directory}/absent name 33`,
    `mkdirat ${directory}/made 7`,
    `readlinkat ${directory}/absent link 5`,
    `unlinkat ${directory}/made 7`,
  ]);
  // At its start a program looks at files that it has opened, by an empty path: it is the file that counts.
  assert.deepEqual(paths.filter(({ path }: { path: string }) => /.\/$/.test(path)), []);
  const forPeople = await state.nodeos(["trace", "--", counted, directory, "0"]);
  assert.equal(forPeople.stdout, "");
  assert.match(forPeople.stderr, /^nodeos: \d+ system calls of \d+ kinds; the program ended with 0$/m);
  for (const [call, count] of [["faccessat", 33], ["mkdirat", 7]] as const) assert.match(forPeople.stderr, lineOf(call, count));
  assert.match(forPeople.stderr, /\/absent name +faccessat +33$/m);
});

test("counts each call once more with each more that is made", async (state, work) => {
  const asked = work.compile("asked");
  const countOf = async (input: string) => {
    const { stdout } = await state.nodeos(["trace", "--json", "--", asked], input);
    const document = stdout.slice(stdout.indexOf("{"));
    return JSON.parse(document).calls.find(({ call }: { call: string }) => call === "mkdirat")?.count ?? 0;
  };
  assert.deepEqual([await countOf("env A\n"), await countOf("mkdir 1 /\n"), await countOf("mkdir 1234 /\n")], [0, 1, 1234]);
});

test("passes standard streams, signals and the exit status on", async (state, work) => {
  const counted = work.compile("counted");
  assert.equal((await state.nodeos(["trace", "--", "sh", "-c", "exit 7"])).code, 7);
  assert.equal((await state.nodeos(["trace", "--", counted, work.path, "kill"])).code, 143);
  assert.equal((await state.nodeos(["trace", "--", "no-such-program"])).code, 127);
  const { code, stdout, stderr } = await state.nodeos(["trace", "--", "sh", "-c", "tr a-z A-Z; echo problem >&2"], "hello\n");
  assert.deepEqual({ code, stdout }, { code: 0, stdout: "HELLO\n" });
  assert.match(stderr, /^problem\n/);
  await using program = state.talk("trace", "--", counted, work.path, "wait");
  assert.equal(await program.line(), "ready");
  program.process.kill("SIGUSR1");
  const ended = await program.end();
  assert.equal(ended.code, 9);
  assert.match(ended.stderr, lineOf("faccessat", 33));
});

test("writes the profile that the same run needs, and with which another one does not work", async (state, work) => {
  const counted = work.compile("counted");
  const profile = `${work.path}/counted.yaml`;
  const traced = await state.nodeos(["trace", "-o", profile, "--", counted, work.path, "0"]);
  assert.deepEqual([traced.code, traced.stdout], [0, ""]);
  assert.match(traced.stderr, new RegExp(`^nodeos: wrote ${profile}$`, "m"));
  assert.match(Deno.readTextFileSync(profile), /^name: counted$/m);
  const run = (...program: string[]) => state.nodeos(["run", "--cpus", `${lastCpu}`, "--syscalls", profile, "--", ...program]);
  for (const status of ["0", "6"]) assert.equal((await run(counted, work.path, status)).code, Number(status));
  // It kills itself by a call that the recorded run did not make; nor did it make symbolic links.
  assert.equal((await run(counted, work.path, "kill")).code, 0);
  assert.notEqual((await run("ln", "-s", "target", `${work.path}/link`)).code, 0);
  assert.ok(!exists(`${work.path}/link`));
  // Once more under it, and it denies nothing.
  assert.equal((await state.nodeos(["trace", "--check", profile, "--", counted, work.path, "0"])).code, 0);
});

test("writes the profile to standard output, whatever its name means in YAML, and says when it cannot write it", async (state, work) => {
  const { code, stdout } = await state.nodeos(["trace", "-o", "-", "--", "true"]);
  assert.equal(code, 0);
  assert.match(stdout, /^# What a run of this needed, .*"true"\nname: "?true"?\n/);
  const run = await state.nodeos(["run", "--syscalls", work.file("out.yaml", stdout), "--", "true"]);
  assert.deepEqual([run.code, run.stderr], [0, ""]);
  const marker = `${work.path}/started`;
  for (const output of ["/nonexistent/file.yaml", work.path, "/proc/version"]) {
    const { code, stderr } = await state.nodeos(["trace", "-o", output, "--", "touch", marker]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, new RegExp(`^Cannot write ${output}: `, "m"));
    assert.ok(!exists(marker), "it says so before the program starts");
  }
  const output = `${work.path}/none.yaml`;
  assert.notEqual((await state.nodeos(["trace", "-o", output, "--", "/nonexistent/program"])).code, 0);
  assert.ok(!exists(output), "of what did not run there is no profile");
});

test("lets programs go on that its program left, and says so", async (state, work) => {
  const late = `${work.path}/late`;
  const script =
    `(while [ ! -e ${work.path}/go ]; do sleep 0.05; done; echo "$(ls ${work.path})" > ${late}.new; mv ${late}.new ${late}) > /dev/null 2>&1 & echo main`;
  const { code, stdout, stderr } = await state.nodeos(["trace", "--", "sh", "-c", script]);
  assert.deepEqual([code, stdout], [0, "main\n"]);
  assert.match(stderr, /^nodeos: it left programs that go on, and are not recorded any more$/m);
  assert.ok(!exists(`${state.directory}/trace`));
  const keepers = forwardersBelow(state.directory);
  assert.ok(keepers.length > 0);
  work.file("go", "");
  await until("what it left to end", () => exists(late));
  assert.match(Deno.readTextFileSync(late), /^go$/m);
  await until("its keeper to end", () => forwardersBelow(state.directory).length === 0);
});

test("--check says 1 when a profile would have refused a call, and which", async (state, work) => {
  const counted = work.compile("counted");
  const fits = await state.nodeos(["trace", "--check", "lean", "--", counted, work.path, "3"]);
  assert.equal(fits.code, 3);
  assert.match(fits.stderr, /^nodeos: under lean, (\d+) of these calls would go to the ServiceOS$/m);
  assert.match(fits.stderr, /^nodeos: lean denies none of them$/m);
  const refused = await state.nodeos(["trace", "--check", "cnk-strict", "--", counted, work.path, "3"]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^nodeos: cnk-strict denies .*wait4 \(ENOSYS\)/m);
  const json = await state.nodeos(["trace", "--check", "cnk-strict", "--json", "--", counted, work.path, "3"]);
  assert.equal(json.code, 1);
  const { exitCode, calls } = JSON.parse(json.stdout);
  assert.equal(exitCode, 3);
  const of = (name: string) => calls.find(({ call }: { call: string }) => call === name);
  assert.deepEqual([of("wait4").action, of("wait4").isDenied, of("wait4").isForwarded], ["deny:ENOSYS", true, false]);
  assert.deepEqual([of("openat").action, of("openat").isDenied, of("openat").isForwarded], ["inject", false, true]);
  const own = work.file("own.yaml", 'name: own\ndoc: mine\nextends: lean\ndeny: ["mkdirat:EROFS"]\n');
  const denied = await state.nodeos(["trace", "--check", own, "--", counted, work.path, "0"]);
  assert.equal(denied.code, 1, denied.stderr);
  assert.match(denied.stderr, /denies mkdirat \(EROFS\)$/m);
});

test("says 2 for a profile that there is not, before the program starts", async (state, work) => {
  const marker = `${work.path}/started`;
  const { code, stderr } = await state.nodeos(["trace", "--check", "cnkk", "--", "touch", marker]);
  assert.equal(code, 2);
  assert.match(stderr, /^Cannot find the profile "cnkk"; did you mean "cnk"\?/);
  assert.equal((await state.nodeos(["trace"])).code, 2);
  assert.ok(!exists(marker));
});

test("that is killed takes its program along, and its keeper", async (state, work) => {
  const counted = work.compile("counted");
  await using program = state.talk("trace", "--", counted, work.path, "wait");
  assert.equal(await program.line(), "ready");
  const running = () => programsOf(counted);
  assert.equal(running().length, 1);
  const seat = `${state.directory}/trace/${program.process.pid}`;
  assert.ok(exists(`${seat}/board`));
  program.process.kill("SIGKILL");
  await program.process.status;
  await program.end();
  assert.deepEqual(running(), []);
  // What a dead recording left is files, which the test removes with its directory; its processes are gone.
  if (exists(seat)) Deno.removeSync(seat, { recursive: true });
});

/** Processes that run a program. */
function programsOf(path: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return pid > 0 && Deno.readLinkSync(`/proc/${pid}/exe`) === path;
    } catch {
      // It has ended, or it is a thread of the kernel.
      return false;
    }
  });
}

/** Keepers of recordings of a state directory: their board may have no name any more. */
function forwardersBelow(state: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return pid > 0 && Deno.readLinkSync(`/proc/${pid}/fd/1`).startsWith(`${state}/trace/`);
    } catch {
      return false;
    }
  });
}
