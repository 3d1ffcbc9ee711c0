import assert from "node:assert/strict";
import { policyOf } from "../../lib/container/wish_compiler.ts";
import { differences } from "../../lib/syscall/difference.ts";
import { explainPolicy, explainProfiles } from "../../lib/syscall/explain.ts";
import { ociSeccomp } from "../../lib/syscall/oci.ts";
import { lastCpu, TestState } from "../host.ts";
import { cannotForward, type ForwardState, forwardTest, isRunning, marked, missing, noteOf, until, Workplace } from "./forward/host.ts";

const nobody = 65534;

function test(name: string, fn: (state: ForwardState, work: Workplace) => Promise<void>, reason: string | null = null): void {
  forwardTest(`nodeos syscalls ${name}`, reason, async (state) => {
    using work = new Workplace();
    await fn(state, work);
  });
}

/** How the calls of one name fared since an earlier look, without those that are zero. */
function since(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  const names = ["calls", "forwarded", "returned", "allowed", "denied", "handled", "stale"];
  return Object.fromEntries(names.map((name) => [name, after[name] - (before[name] ?? 0)] as const).filter(([, count]) => count !== 0));
}

// --- profiles: no root, no container -------------------------------------------------------------------------------------------

Deno.test("nodeos syscalls lists the profiles, needs no container and no root", async () => {
  await using state = new TestState();
  const { code, stdout } = await state.nodeos(["syscalls"]);
  assert.equal(code, 0);
  const profiles = explainProfiles();
  for (const { name, doc } of profiles) assert.ok(stdout.includes(`\n${name.padEnd(10)}  ${doc}\n`), `${name} in ${stdout}`);
  assert.deepEqual(JSON.parse((await state.nodeos(["syscalls", "--json"])).stdout).profiles, profiles);
});

Deno.test({
  name: `nodeos syscalls --profile shows tiers, differences and an OCI view, with switches${noteOf(cannotForward)}`,
  ignore: cannotForward !== null,
  async fn() {
    await using state = new TestState();
    const json = async (...args: string[]) => JSON.parse((await state.nodeos(["syscalls", ...args])).stdout);
    const cnk = policyOf({ profile: "cnk" });
    const changed = policyOf({ profile: "cnk", switches: ["openat=allow", "ptrace=deny:EPERM"] });

    const { code, stdout } = await state.nodeos(["syscalls", "--profile", "cnk,openat=allow,ptrace=deny:EPERM"]);
    assert.equal(code, 0);
    for (const { action, count } of explainPolicy(changed)) assert.match(stdout, new RegExp(`^${action}, .*: ${count}$`, "m"));
    assert.deepEqual((await json("--profile", "cnk", "--json")).tiers, explainPolicy(cnk));

    const rows = differences(cnk, changed);
    assert.deepEqual(rows.map(({ call, to }) => [call, to]), [["ptrace", "deny:EPERM"], ["openat", "allow"]]);
    const against = ["--profile", "cnk", "--against", "cnk,openat=allow,ptrace=deny:EPERM"];
    assert.deepEqual((await json(...against, "--json")).differences, rows);
    assert.match((await state.nodeos(["syscalls", ...against])).stdout, /^openat +inject +allow *$/m);
    const same = await state.nodeos(["syscalls", "--profile", "cnk", "--against", "cnk"]);
    assert.deepEqual([same.code, same.stdout, same.stderr], [0, "", "nodeos: they do the same with every call\n"]);

    assert.deepEqual(await json("--profile", "cnk", "--oci"), JSON.parse(JSON.stringify(ociSeccomp(cnk))));
  },
});

Deno.test("nodeos syscalls says 2 for wrong words, with what would be right, needs no root", async () => {
  await using state = new TestState();
  const cases: [args: string[], message: RegExp][] = [
    [["--profile", "cnkk"], /^Cannot find the profile "cnkk"; did you mean "cnk"\?\n {2}Write full, lean/],
    [["--profile", "openat=allow"], /^Cannot read "openat=allow" as system calls: it begins with no profile/],
    [["--profile", "cnk,openat"], /"openat" says nothing/],
    [["--profile", "cnk,opennat=allow"], /opennat.*did you mean "openat"/],
    [["--profile", "cnk,openat=alow"], /Cannot read "alow" as an action.*did you mean "allow"/],
    [["--profile", "cnk,openat=deny:EPRM"], /Cannot deny with "EPRM".*did you mean "EPERM"/],
    [["--profile", "cnk,openat=allow:EPERM"], /only deny has an error/],
    [["--profile", "/nonexistent.yaml"], /Cannot read the profile "\/nonexistent.yaml": there is no such file/],
    [["--against", "cnk"], /^Cannot use --against without --profile\n {2}nodeos syscalls --profile cnk\n$/],
    [["--oci"], /^Cannot use --oci without --profile/],
    [["--profile", "cnk", "--oci", "--against", "lean"], /^Cannot use --oci and --against together/],
    [["sim", "--profile", "cnk"], /^Cannot show a container and a profile together/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await state.nodeos(["syscalls", ...args]);
    assert.deepEqual({ code, stdout }, { code: 2, stdout: "" }, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, message);
  }
});

// --- containers -------------------------------------------------------------------------------------------------------------------

test("counts the calls of a container by what happened to them, and of programs that are started later, too", async (state, work) => {
  const asked = work.compile("asked");
  await state.up("counted", { syscalls: { profile: "lean", deny: ["unlinkat:EROFS"] } });
  assert.match((await state.nodeos(["syscalls", "counted"])).stdout, /no call has reached the ServiceOS yet\n$/);
  await using first = state.talk("exec", "counted", "--", asked);
  assert.equal(await first.ask("env NODEOS_SIDECAR"), `${state.seat("counted")}/sidecar.sock`);
  const atFirst = state.counters("counted");
  assert.equal(await first.ask("stat 10 /etc/passwd"), "0");
  assert.equal(await first.ask("stat 5 /nonexistent"), "2");
  assert.equal(await first.ask("stat 3 /proc/self/comm"), "0");
  assert.equal(await first.ask("unlink 2 /nonexistent"), "30");
  await using second = state.talk("exec", "counted", "--", asked);
  assert.equal(await second.ask("env NODEOS_SIDECAR"), `${state.seat("counted")}/sidecar.sock`);
  const started = state.counters("counted");
  assert.equal(await second.ask(`mkdir 1 ${work.path}/made`), "0");
  assert.equal(state.board("counted").listeners, 2);

  const { profile, calls, refusals } = await state.json("syscalls", "counted");
  assert.equal(profile, "lean");
  const of = (name: string) => calls.find(({ call }: { call: string }) => call === name);
  // The second program's start made some, too.
  assert.deepEqual(since({ ...started.newfstatat } as never, of("newfstatat")), {});
  const { failed, forwarded, returned } = of("newfstatat");
  assert.deepEqual(
    [failed - (atFirst.newfstatat?.failed ?? 0) >= 5, forwarded - (atFirst.newfstatat?.forwarded ?? 0) >= 15, returned >= 3],
    [true, true, true],
  );
  assert.deepEqual(since({}, of("mkdirat")), { calls: 1, forwarded: 1 });
  assert.deepEqual([of("unlinkat").action, since({}, of("unlinkat"))], ["deny:EROFS", { calls: 2, denied: 2 }]);
  // Once for the two, as only the first of a program is written down.
  assert.deepEqual(refusals.map(({ call, errno, command }: Record<string, string>) => [call, errno, command]), [[
    "unlinkat",
    "EROFS",
    "asked",
  ]]);
  const { stdout } = await state.nodeos(["syscalls", "counted"]);
  assert.match(stdout, /^container counted: profile lean, socket \S+\/forward\/counted\/sidecar\.sock\n/);
  assert.match(stdout, /^unlinkat +deny:EROFS +2 +0 +0 +0 +2 +0 +[\d.]+ us +[\d.]+ us$/m);
  assert.match(stdout, /^refused first: unlinkat \(EROFS\) to asked, thread \d+$/m);
  const shown = (await state.nodeos(["show", "counted"])).stdout;
  assert.match(shown, /^system calls +lean, unlinkat=deny:EROFS; all calls: nodeos syscalls counted$/m);
  assert.match(shown, /^CALLS THAT REACHED THE SERVICEOS\n {2}NOW +CALLS +HANDED BACK +FAILED +P50 +P99 +MOST$/m);
  assert.match(shown, /^ {2}deny:EROFS +2 +0 +0 +[\d.]+ us +[\d.]+ us +unlinkat$/m);
  assert.deepEqual(
    (await state.json("show", "counted")).syscalls.find(({ action }: { action: string }) => action === "deny:EROFS").made,
    2,
  );
  assert.deepEqual([(await first.end()).code, (await second.end()).code], [0, 0]);
  await until("the end of both filters", () => state.board("counted").listeners === 0);
});

test("switches a call between forward, allow and deny while a program makes it", async (state, work) => {
  await state.up("switched", { syscalls: "cnk" });
  await using program = state.talk("exec", "switched", "--", work.compile("asked"));
  assert.equal(await program.ask("stat 1 /etc/passwd"), "0");
  const steps: [word: string, errno: string, outcome: Record<string, number>][] = [
    ["forward", "0", { calls: 10, forwarded: 10 }],
    ["allow", "0", { calls: 10, allowed: 10 }],
    ["deny", "1", { calls: 10, denied: 10 }],
    ["deny:ENOSYS", "38", { calls: 10, denied: 10 }],
    ["allow", "0", { calls: 10, allowed: 10 }],
    ["forward", "0", { calls: 10, forwarded: 10 }],
  ];
  for (const [word, errno, outcome] of steps) {
    const { code, stdout } = await state.nodeos(["syscalls", "switched", `newfstatat=${word}`]);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: `newfstatat <- ${word === "deny" ? "deny:EPERM" : word}\n` });
    const before = state.counters("switched").newfstatat;
    assert.equal(await program.ask("stat 10 /etc/passwd"), errno, word);
    assert.deepEqual(since({ ...before } as never, { ...state.counters("switched").newfstatat } as never), outcome, word);
  }
  const { changed, planned } = await state.json("syscalls", "switched", "openat=deny:EACCES", "@path=allow", "openat=inject");
  assert.deepEqual(changed, planned);
  assert.deepEqual(changed.at(-1), { call: "openat", action: "inject" });
  assert.equal(await program.ask("open 1 /etc/passwd"), "0");
  assert.equal((await program.end()).code, 0);
});

test("switches all or none, and says why a call cannot be switched", async (state) => {
  await state.up("firm", { syscalls: { profile: "cnk", allow: ["chmod"], switchable: ["getcwd"] } });
  const actions = async () => (await state.nodeos(["syscalls", "firm", "openat=forward", "getcwd=allow", "-n"])).code;
  assert.equal(await actions(), 0);
  const rules = async () => JSON.stringify((await state.json("syscalls", "firm", "@all=allow", "-n")).planned.length);
  const before = await rules();
  const boardBefore = Deno.readFileSync(`${state.seat("firm")}/board`);
  const cases: [switches: string[], code: number, message: RegExp][] = [
    [["openat=allow", "close=allow"], 2, /^Cannot allow close: it stays in the filter: programs do not expect to be interrupted in it/],
    [["openat=allow", "io_uring_setup=allow"], 2, /^Cannot allow io_uring_setup: every policy denies it in the filter/],
    [
      ["openat=allow", "chmod=deny"],
      2,
      /^Cannot deny chmod: it was allowed in the filter when the programs started\n {2}Start the programs .*switchable: \[chmod\]/,
    ],
    [["openat=allow", "@time=deny"], 2, /^Cannot deny any call of @time: it was allowed in the filter when the programs started/],
    [["openat=allow", "opennat=allow"], 2, /opennat.*did you mean "openat"/],
    [["openat=allow", "@pth=allow"], 2, /@pth.*did you mean "@path"/],
    [["openat=allow", "stat"], 2, /Cannot switch "stat": it names no action/],
    [["openat=allow", "stat=deny:EFOO"], 2, /Cannot deny with "EFOO"/],
    [["openat=allow", "getcwd=forward"], 2, /Cannot forward getcwd/],
  ];
  for (const [switches, code, message] of cases) {
    for (const flags of [[], ["-n"], ["--json"]]) {
      const result = await state.nodeos(["syscalls", "firm", ...switches, ...flags]);
      assert.deepEqual({ code: result.code, stdout: result.stdout }, { code, stdout: "" }, `${switches}: ${result.stderr}`);
      assert.match(result.stderr, message);
    }
  }
  const dry = await state.json("syscalls", "firm", "openat=deny", "-n");
  assert.deepEqual([dry.changed, dry.planned], [[], [{ call: "openat", action: "deny:EPERM" }]]);
  assert.deepEqual(Deno.readFileSync(`${state.seat("firm")}/board`), boardBefore);
  assert.equal(await rules(), before);
  // Of a group it takes what it can reach, and names the rest.
  const group = await state.nodeos(["syscalls", "firm", "@path=allow"]);
  assert.equal(group.code, 0);
  assert.match(group.stdout, /^openat <- allow$/m);
  assert.doesNotMatch(group.stdout, /^chmod /m);
  assert.match(group.stderr, /^nodeos: chmod stays as it is: it was allowed in the filter when the programs started$/m);
});

test("says 4 for a container that is not there and 1 for one without a profile", async (state) => {
  await state.up("plain", { syscalls: "full" });
  assert.equal((await state.nodeos(["syscalls", "plain"])).code, 0);
  assert.match((await state.nodeos(["syscalls", "plain", "openat=deny"])).stderr, /^Cannot deny openat: it was allowed in the filter/);
  assert.equal((await state.nodeos(["down", "plain"])).code, 0);
  const spec = { apiVersion: "nodeos/v1", containers: [{ name: "plain", cpus: lastCpu }] };
  assert.equal((await state.nodeos(["up", "-"], JSON.stringify(spec))).code, 0);
  for (const words of [[], ["openat=deny"], ["--json"], ["openat=deny", "-n"]]) {
    const none = await state.nodeos(["syscalls", "plain", ...words]);
    assert.deepEqual([none.code, none.stdout], [1, ""]);
    assert.match(
      none.stderr,
      /^Cannot show system calls of container plain: its programs make all of them themselves\n {2}Make it with a profile/,
    );
    for (const name of ["nobody", "service"]) {
      const absent = await state.nodeos(["syscalls", name, ...words]);
      assert.deepEqual([absent.code, absent.stdout], [4, ""]);
      assert.match(absent.stderr, new RegExp(`^Cannot find container "${name}"`));
    }
  }
});

test("are refused for the ServiceOS, and with wrong words in a specification and on a command line; then nothing is there", async (state) => {
  const spec = (container: string, service = "") =>
    `apiVersion: nodeos/v1\nservice: { cpus: 0${service} }\ncontainers:\n  - { name: sim, cpus: ${lastCpu}, ${container} }\n`;
  const cases: [text: string, message: RegExp][] = [
    [spec("pids: 9", ", syscalls: lean"), /stdin:2:\d+: unknown key "syscalls"; it belongs to a container/],
    [spec("syscalls: nope"), /stdin:4:\d+: Cannot find the profile "nope"/],
    [spec("syscalls: { profile: cnk, allow: [opennat] }"), /stdin:4:\d+: .*opennat.*did you mean "openat"/],
    [spec("syscalls: { profile: cnk, deny: ['open:EFOO'] }"), /stdin:4:\d+: Cannot deny with "EFOO"/],
    [spec("syscalls: { profile: cnk, user: root }"), /stdin:4:\d+: Cannot read "root" as a user/],
    [spec("syscalls: { profil: cnk }"), /stdin:4:\d+: unknown key "profil"/],
    [spec("syscalls: { allow: [open] }"), /stdin:4:\d+: .*profile/],
  ];
  for (const [text, message] of cases) {
    for (const command of [["up", "-"], ["up", "-n", "-"]]) {
      const { code, stderr } = await state.nodeos(command, text);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    }
  }
  for (const wrong of ["nope", "cnk,openat", "foo=bar", "cnk,stat=deny:EFOO"]) {
    const { code, stderr } = await state.nodeos(["run", "--syscalls", wrong, "--", "true"]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^Cannot|^--syscalls: Cannot/);
  }
  assert.deepEqual((await state.json("ps")).containers.map(({ name }: { name: string }) => name), []);
  assert.throws(() => Deno.statSync(`${state.directory}/forward/sim`), Deno.errors.NotFound);
});

test("of a dry run starts nothing", async (state) => {
  const { code, stdout } = await state.nodeos(["run", "-n", "--syscalls", "cnk", "--cpus", `${lastCpu}`, "--", "true"]);
  assert.equal(code, 0);
  assert.match(stdout, /cpuset\.cpus +<- /);
  assert.throws(() => Deno.statSync(`${state.directory}/forward`), Deno.errors.NotFound);
});

test("leaves nothing of a container that is taken down, with programs in it that make calls", async (state, work) => {
  const asked = work.compile("asked");
  await state.up("gone", { syscalls: { profile: "cnk", user: nobody } });
  await using program = state.talk("exec", "gone", "--", asked);
  assert.equal(await program.ask("stat 1 /"), "0");
  const { keeperPid, forwarderPid } = state.board("gone");
  const marks = [keeperPid, forwarderPid!].map(marked);
  assert.equal((await state.nodeos(["down", "gone", "--grace", "0"])).code, 0);
  assert.equal((await program.end()).code, 137);
  assert.deepEqual(marks.filter((mark) => marked(Number(mark.split(" ")[0])) === mark), []);
  assert.throws(() => Deno.statSync(state.seat("gone")), Deno.errors.NotFound);
});

test("end with nodeos run that is killed: the next command ends the keeper and puts the machine back", async (state, work) => {
  const asked = work.compile("asked");
  for (let time = 0; time < 3; time++) {
    await using program = state.talk("run", "--name", "killed", "--syscalls", "cnk", "--", asked);
    assert.equal(await program.ask("stat 1 /"), "0");
    const { keeperPid, forwarderPid } = state.board("killed");
    program.process.kill("SIGKILL");
    await program.process.status;
    assert.match((await state.nodeos(["ps"])).stderr, /put back what the dead command of killed had changed/);
    for (const pid of [keeperPid, forwarderPid!]) assert.ok(!isRunning(pid), `process ${pid} is left over`);
    assert.throws(() => Deno.statSync(state.seat("killed")), Deno.errors.NotFound);
  }
});

test("end with nodeos up that is killed at any moment, or are all there", async (state) => {
  const spec = state.file("spec.yaml", `apiVersion: nodeos/v1\ncontainers: [{ name: half, cpus: ${lastCpu}, syscalls: cnk }]\n`);
  const from = performance.now();
  assert.equal((await state.nodeos(["up", spec])).code, 0);
  const spanMs = performance.now() - from;
  assert.equal((await state.nodeos(["down", "half"])).code, 0);
  const moments = 16;
  let killed = 0;
  for (let moment = 0; moment < moments; moment++) {
    const child = state.spawn("up", spec);
    // The second half of its time: before, it reads its own program.
    await new Promise((resolve) => setTimeout(resolve, spanMs * (0.4 + 0.6 * moment / moments)));
    try {
      child.kill("SIGKILL");
    } catch { /* it was faster */ }
    if ((await child.output()).signal === "SIGKILL") killed++;
    const names = (await state.json("ps")).containers.map(({ name }: { name: string }) => name);
    if (names.length === 0) {
      assert.throws(() => Deno.statSync(state.seat("half")), Deno.errors.NotFound);
      continue;
    }
    assert.deepEqual(names, ["half"]);
    assert.equal((await state.nodeos(["exec", "half", "--", "ls", "/"])).code, 0);
    assert.ok(state.counters("half").openat.forwarded > 0);
    const { keeperPid } = state.board("half");
    assert.equal((await state.nodeos(["down", "half"])).code, 0);
    assert.ok(!isRunning(keeperPid));
  }
  assert.ok(killed > 0, "every one was done before it was killed");
});

// --- the sidecar -------------------------------------------------------------------------------------------------------------------

interface HttpResponse {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly body: any;
}

/** Asks the sidecar with curl, as somebody. */
async function curl(socket: string, path: string, args: readonly string[] = [], uid = 0): Promise<HttpResponse> {
  const words = ["-sS", "--max-time", "30", "-w", "\n%{http_code}", "--unix-socket", socket, ...args, `http://nodeos${path}`];
  const { code, stdout, stderr } = await new Deno.Command("curl", { args: words, uid, gid: uid, stdin: "null", clearEnv: true }).output();
  if (code !== 0) throw new Error(`curl ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  const [body, status] = new TextDecoder().decode(stdout).split(/\n(?=\d+$)/);
  return { status: Number(status), body: JSON.parse(body) };
}

/** The different nice values of a process's threads. */
function nicenessOf(pid: number): number[] {
  const stats = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => Deno.readTextFileSync(`/proc/${pid}/task/${name}/stat`));
  return [...new Set(stats.map((stat) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16])))];
}

test("are told, switched and made over the sidecar's socket, with the rights of whoever connects", async (state, work) => {
  Deno.chmodSync(state.directory, 0o711);
  await state.up("served", { syscalls: { profile: "cnk", user: `${nobody}:${nobody}` } });
  const socket = `${state.seat("served")}/sidecar.sock`;
  const { uid, gid, mode } = Deno.statSync(socket);
  assert.deepEqual([uid, gid, mode! & 0o777], [nobody, nobody, 0o600]);
  assert.equal(Deno.statSync(state.seat("served")).mode! & 0o777, 0o711);
  for (const name of ["board", "control.sock", "filter", "policy.json", "log"]) {
    const file = Deno.statSync(`${state.seat("served")}/${name}`);
    assert.deepEqual([name, file.uid, file.mode! & 0o777], [name, 0, 0o600]);
  }
  assert.equal(state.board("served").sidecarPid, null);

  const policy = await curl(socket, "/v1/policy", [], nobody);
  assert.deepEqual([policy.status, policy.body.container, policy.body.profile], [200, "served", "cnk"]);
  assert.ok(policy.body.calls.inject.includes("openat") && policy.body.switchable.includes("openat"));
  assert.notEqual(state.board("served").sidecarPid, null);

  // Calls are made by the peer, not by root.
  Deno.chmodSync(work.path, 0o777);
  const made = { calls: [{ call: "mkdirat", args: ["AT_FDCWD", `${work.path}/by-nobody`, 0o755] }] };
  const done = await curl(socket, "/v1/syscalls", ["-d", JSON.stringify(made)], nobody);
  assert.equal(done.status, 200, JSON.stringify(done.body));
  assert.equal(done.body.results[0].value, 0);
  assert.equal(Deno.statSync(`${work.path}/by-nobody`).uid, nobody);
  const shadow = { calls: [{ call: "openat", args: ["AT_FDCWD", "/etc/shadow", 0, 0] }] };
  assert.equal((await curl(socket, "/v1/syscalls", ["-d", JSON.stringify(shadow)], nobody)).body.results[0].errno, "EACCES");

  await using program = state.talk("exec", "served", "--", work.compile("asked"));
  assert.equal(await program.ask("stat 1 /"), "0");
  // Programs wait for the keeper and the forwarder, so those go before whatever else runs on the ServiceOS.
  const { keeperPid, forwarderPid, sidecarPid } = state.board("served");
  const ours = nicenessOf(Deno.pid);
  assert.deepEqual([keeperPid, forwarderPid!, sidecarPid!].map(nicenessOf), [[-20], [-20], ours]);
  const patched = await curl(socket, "/v1/policy", ["-X", "PATCH", "-d", '{ "newfstatat": "deny:EACCES" }'], nobody);
  assert.equal(patched.status, 200);
  assert.equal(await program.ask("stat 1 /"), "13");
  const refused = await curl(socket, "/v1/policy", ["-X", "PATCH", "-d", '{ "newfstatat": "allow", "close": "deny" }'], nobody);
  assert.equal(refused.status, 409);
  assert.equal(await program.ask("stat 1 /"), "13");
  await assert.rejects(curl(socket, "/v1/policy", [], nobody - 1), /curl ended with 7/);
  assert.equal((await program.end()).code, 0);
}, missing("curl"));
