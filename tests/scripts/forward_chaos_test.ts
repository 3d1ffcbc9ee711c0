import assert from "node:assert/strict";
import { type ForwardState, forwardTest, isRunning, marked, type Talk, until, withinMinute, Workplace } from "./forward/host.ts";

/** How long programs are interrupted a thousand times a second, all of them together. */
const interruptedSeconds = 60;
/** How often forwarders and sidecars are killed, all of them together. */
const kills = 100;
/** The keeper starts a sidecar again at once so often; then it waits for seconds. */
const sidecarKills = 4;
/** The same for forwarders. */
const forwarderKillsMax = 60;

function test(name: string, fn: (state: ForwardState, work: Workplace) => Promise<void>, reason: string | null = null): void {
  forwardTest(name, reason, async (state) => {
    using work = new Workplace();
    await fn(state, work);
  });
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Sends a signal to a process that may have ended. */
function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
  }
}

// --- signals -------------------------------------------------------------------------------------------------------------------------

interface Interrupted {
  readonly rounds: number;
  readonly calls: number;
  readonly signals: number;
  readonly interrupted: number;
  readonly twice: number;
  readonly done: number;
  readonly wrong: number;
  readonly error: number;
  readonly lost: number;
}

test(`no call is executed twice in ${interruptedSeconds} s of a thousand signals a second`, async (state, work) => {
  const program = work.compile("interrupted");
  await state.up("signals", { syscalls: "cnk" });
  const ways = ["restart", "return"];
  const seconds = Math.ceil(interruptedSeconds / ways.length);
  const results = await Promise.all(ways.map(async (way): Promise<Interrupted> => {
    await using run = state.talk("exec", "signals", "--", program, work.directory(way), `${seconds}`, way);
    const { code, stdout, stderr } = await withinMinute(run.end(), `the program that ${way}s`, 2 * seconds + 30);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }));
  for (const [index, result] of results.entries()) {
    const { rounds, signals, twice, done, wrong, error, lost } = result;
    assert.deepEqual({ twice, done, wrong, error, lost }, { twice: 0, done: 0, wrong: 0, error: 0, lost: 0 }, ways[index]);
    assert.ok(rounds > 100 && signals > 100, JSON.stringify(result));
    assert.deepEqual([...Deno.readDirSync(`${work.path}/${ways[index]}`)], []);
  }
  // A handler with SA_RESTART is never noticed; without it a call may return EINTR before it was looked at.
  const [restarted, returned] = results;
  assert.equal(restarted.interrupted, 0);
  assert.ok(returned.interrupted < returned.calls / 10, JSON.stringify(returned));
  assert.ok(state.counters("signals").mkdir.forwarded >= restarted.rounds + returned.rounds);
});

// --- deaths --------------------------------------------------------------------------------------------------------------------------

/** Descriptors of a process, by what they are. */
function descriptorsOf(pid: number): string[] {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Deno.readLinkSync(`/proc/${pid}/fd/${name}`)).sort();
}

/** A program of threads that compare every answer with a model. */
class Modelled implements AsyncDisposable {
  readonly #talk: Talk;
  readonly #pid: number;
  readonly #descriptors: readonly string[];

  private constructor(talk: Talk, pid: number) {
    this.#talk = talk;
    this.#pid = pid;
    this.#descriptors = descriptorsOf(pid);
  }

  /** Starts one that makes calls. */
  static async start(state: ForwardState, container: string, program: string, directory: string, threads: number): Promise<Modelled> {
    const talk = state.talk("exec", container, "--", program, directory, `${threads}`);
    const modelled = new Modelled(talk, Number(await talk.line()));
    await talk.tell("begin");
    return modelled;
  }

  /** Its process id. */
  get pid(): number {
    return this.#pid;
  }

  /** Ends it; every answer must have been right, and no descriptor lost. Returns how many calls it made, and how many gave EIO. */
  async end(): Promise<{ calls: number; ioErrors: number }> {
    const { calls, ioErrors, ...found } = JSON.parse(await this.#talk.ask("stop"));
    const descriptors = descriptorsOf(this.#pid);
    assert.equal((await this.#talk.end()).code, 0);
    assert.deepEqual(found, { wrong: 0, which: 0, error: 0 });
    assert.deepEqual(descriptors, this.#descriptors);
    return { calls, ioErrors };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#talk[Symbol.asyncDispose]();
  }
}

function callsIn(state: ForwardState, container: string): number {
  return Object.values(state.counters(container)).reduce((sum, { calls }) => sum + calls, 0);
}

/** Resolves when a container's forwarder has answered something since. */
async function progress(state: ForwardState, container: string): Promise<void> {
  const before = callsIn(state, container);
  await until(`a call in ${container}`, () => callsIn(state, container) > before);
}

/** Kills forwarders while they work; each successor has to answer something before it is killed. */
async function killForwarders(state: ForwardState, container: string, count: number): Promise<void> {
  let last = 0;
  for (let time = 0; time < count; time++) {
    const next = () => state.board(container).forwarderPid ?? last;
    await until("another forwarder", () => next() !== last);
    last = next();
    await progress(state, container);
    await delay(Math.random() * 10);
    signal(last, "SIGKILL");
  }
  await until("another forwarder", () => ![null, last].includes(state.board(container).forwarderPid));
  await progress(state, container);
}

/** Asks a sidecar for its policy; `null` when it died meanwhile. */
async function askSidecar(socket: string): Promise<string | null> {
  try {
    using connection = await Deno.connect({ transport: "unix", path: socket });
    await connection.write(new TextEncoder().encode("GET /v1/policy HTTP/1.1\r\nhost: nodeos\r\nconnection: close\r\n\r\n"));
    const text = await withinMinute(new Response(connection.readable).text(), "the sidecar's answer");
    return text === "" ? null : text.slice(0, text.indexOf("\r\n"));
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) return null;
    throw error;
  }
}

/** Kills sidecars while they answer; the next one answers whoever waits. */
async function killSidecars(state: ForwardState, container: string, count: number): Promise<void> {
  const socket = `${state.seat(container)}/sidecar.sock`;
  let last: number | null = null;
  for (let time = 0; time < count; time++) {
    const answer = askSidecar(socket);
    const next = () => state.board(container).sidecarPid;
    await until("another sidecar", () => ![null, last].includes(next()));
    last = next()!;
    await delay(Math.random() * 150);
    signal(last, "SIGKILL");
    await answer;
  }
  await until("the sidecar's end", () => state.board(container).sidecarPid !== last);
  assert.equal(await askSidecar(socket), "HTTP/1.1 200 OK");
}

const shares = Math.ceil(kills / (forwarderKillsMax + sidecarKills));
for (let share = 0; share < shares; share++) {
  const total = Math.ceil(kills / shares);
  const threads = [1, 4, 12][share % 3];
  const what = `the forwarder is killed ${total - sidecarKills} times and the sidecar ${sidecarKills} times`;
  test(`${what}, and a program with ${threads} threads goes on, with every answer right and no descriptor lost`, async (state, work) => {
    const program = work.compile("modelled");
    await state.up("deaths", { syscalls: "cnk" });
    await using modelled = await Modelled.start(state, "deaths", program, work.directory("files"), threads);
    await withinMinute(
      Promise.all([killForwarders(state, "deaths", total - sidecarKills), killSidecars(state, "deaths", sidecarKills)]),
      "the last death",
    );
    const { calls, ioErrors } = await modelled.end();
    assert.ok(calls > total && ioErrors <= threads * total, `${ioErrors} of ${calls} calls gave EIO`);
    const { forwarderStarts, sidecarStarts } = state.board("deaths");
    assert.ok(forwarderStarts > total - sidecarKills && sidecarStarts > sidecarKills);
    await until("the end of the filter", () => state.board("deaths").listeners === 0);
  });
}

test("processes that come and go survive the death of their forwarder", async (state, work) => {
  await state.up("shells", { syscalls: "cnk" });
  const script = "for i in $(seq 60); do mkdir d$i && ls d$i && echo $i | cat >d$i/f && cat d$i/f || exit 1; done; echo end";
  const run = async () => {
    const directory = work.directory(`d${crypto.randomUUID()}`);
    await using shell = state.talk("exec", "shells", "--", "sh", "-c", `cd ${directory}; ${script} || exit 3`);
    return await withinMinute(shell.end(), "the end of the shell");
  };
  // EIO is an answer that a script does not expect: it may end it, but must never leave it hanging.
  const results = Promise.all([run(), run()]);
  let over = false;
  results.finally(() => over = true);
  let last = 0;
  for (let time = 0; time < 20 && !over; time++) {
    const { forwarderPid } = state.board("shells");
    if (forwarderPid !== null && forwarderPid !== last) signal(last = forwarderPid, "SIGKILL");
    await delay(20);
  }
  for (const { code, stdout, stderr } of await results) {
    if (code === 0) assert.match(stdout, /^60\nend\n$/m);
    else assert.match(stderr, /Input\/output error|I\/O error/);
  }
  await until("the end of the filters", () => state.board("shells").listeners === 0);
});

test("the keeper is killed: programs get ENOSYS, none hangs, and nodeos down cleans up", async (state, work) => {
  await state.up("orphan", { syscalls: { profile: "cnk" } });
  const asked = work.compile("asked");
  await using program = state.talk("exec", "orphan", "--", asked);
  assert.equal(await program.ask("stat 1 /"), "0");
  const { keeperPid, forwarderPid } = state.board("orphan");
  const mark = marked(forwarderPid!);
  signal(keeperPid, "SIGKILL");
  await until("the forwarder's end", () => marked(forwarderPid!) !== mark);
  assert.deepEqual([await program.ask("stat 3 /"), await program.ask(`mkdir 1 ${work.path}/made`), await program.ask("getcwd")], [
    "38",
    "38",
    "0",
  ]);
  const late = await state.nodeos(["exec", "orphan", "--", "true"]);
  assert.notEqual(late.code, 0);
  assert.match(late.stderr, /^Cannot /);
  assert.equal((await state.nodeos(["down", "orphan", "--grace", "0"])).code, 0);
  assert.equal((await program.end()).code, 137);
  assert.throws(() => Deno.statSync(state.seat("orphan")), Deno.errors.NotFound);
});

test("the keeper is killed while threads make calls: they end with ENOSYS at once", async (state, work) => {
  await state.up("orphans", { syscalls: { profile: "cnk" } });
  const modelled = work.compile("modelled");
  await using program = state.talk("exec", "orphans", "--", modelled, work.directory("files"), "8");
  await program.line();
  await program.tell("begin");
  await progress(state, "orphans");
  signal(state.board("orphans").keeperPid, "SIGKILL");
  const { wrong, error } = JSON.parse(await program.ask("stop"));
  assert.ok(wrong > 0);
  assert.equal(error, 38);
  await program.end();
});

// --- stops ---------------------------------------------------------------------------------------------------------------------------

test("programs, forwarder and keeper are stopped and continued, and every answer is right", async (state, work) => {
  await state.up("stops", { syscalls: "cnk" });
  await using modelled = await Modelled.start(state, "stops", work.compile("modelled"), work.directory("files"), 4);
  const { keeperPid, forwarderPid } = state.board("stops");
  for (let time = 0; time < 40; time++) {
    await progress(state, "stops");
    const pid = [modelled.pid, modelled.pid, forwarderPid!, keeperPid][time % 4];
    signal(pid, "SIGSTOP");
    await delay(Math.random() * 10);
    signal(pid, "SIGCONT");
  }
  await progress(state, "stops");
  const { ioErrors } = await modelled.end();
  assert.equal(ioErrors, 0);
  assert.equal(state.board("stops").forwarderStarts, 1);
});

const freezer = "/sys/fs/cgroup/freezer";
const canFreeze = isDirectory(freezer) && Deno.uid() === 0;

test("programs are frozen and thawed, and every answer is right", async (state, work) => {
  await state.up("frozen", { syscalls: "cnk" });
  const directory = `${freezer}/chaos-${Deno.pid}`;
  Deno.mkdirSync(directory);
  try {
    await using modelled = await Modelled.start(state, "frozen", work.compile("modelled"), work.directory("files"), 4);
    Deno.writeTextFileSync(`${directory}/cgroup.procs`, `${modelled.pid}`);
    const freeze = (word: string) => Deno.writeTextFileSync(`${directory}/freezer.state`, word);
    for (let time = 0; time < 20; time++) {
      await progress(state, "frozen");
      freeze("FROZEN");
      await until("the frost", () => Deno.readTextFileSync(`${directory}/freezer.state`) === "FROZEN\n");
      freeze("THAWED");
    }
    await progress(state, "frozen");
    assert.equal((await modelled.end()).ioErrors, 0);
  } finally {
    await until("an empty freezer", () => Deno.readTextFileSync(`${directory}/cgroup.procs`) === "");
    Deno.removeSync(directory);
  }
}, canFreeze ? null : "needs the freezer of cgroup v1");

test("a container that is taken down while its forwarder dies leaves nothing", async (state, work) => {
  const program = work.compile("modelled");
  for (let time = 0; time < 3; time++) {
    await state.up("both", { syscalls: "cnk" });
    await using talk = state.talk("exec", "both", "--", program, work.directory(`files${time}`), "4");
    await talk.line();
    await talk.tell("begin");
    await progress(state, "both");
    const { keeperPid, forwarderPid } = state.board("both");
    const down = state.nodeos(["down", "both", "--grace", "0"]);
    await delay(Math.random() * 100);
    signal(forwarderPid!, "SIGKILL");
    assert.equal((await down).code, 0);
    assert.deepEqual([isRunning(keeperPid), isRunning(forwarderPid!)], [false, false]);
    assert.equal((await talk.end()).code, 137);
  }
});

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
