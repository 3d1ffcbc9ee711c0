import assert from "node:assert/strict";
import { type ForwardState, forwardTest, isRunning, marked, type Talk, until, withinMinute, Workplace } from "./forward/host.ts";
import { hasThreadPidfds } from "./forward/kernel.ts";

/** NODEOS_CHAOS=long: a minute of signals, and every process is killed a hundred times under each program. */
const isLong = Deno.env.get("NODEOS_CHAOS") === "long";
/** How long programs are interrupted a thousand times a second. */
const interruptedSeconds = isLong ? 60 : 4;
/** How often each process is killed under each program; the keeper starts 64 forwarders and 20 sidecars at once, then one a second. */
const kills = isLong ? { forwarder: 100, sidecar: 100, agent: 100 } : { forwarder: 40, sidecar: 10, agent: 10 };

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
  const results = await Promise.all(ways.map(async (way): Promise<Interrupted> => {
    await using run = state.talk("exec", "signals", "--", program, work.directory(way), `${interruptedSeconds}`, way);
    const { code, stdout, stderr } = await run.end(2 * interruptedSeconds + 30);
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

/** A program of threads that make calls until they are told to stop, and say as JSON what they saw. */
class Threads implements AsyncDisposable {
  readonly #talk: Talk;
  readonly #descriptors: readonly string[];

  private constructor(talk: Talk, readonly pid: number) {
    this.#talk = talk;
    this.#descriptors = descriptorsOf(pid);
  }

  /** Starts a program of `tests/scripts/forward`. */
  static async start(state: ForwardState, container: string, program: string, ...args: string[]): Promise<Threads> {
    const talk = state.talk("exec", container, "--", program, ...args);
    const threads = new Threads(talk, Number(await talk.line()));
    await talk.tell("begin");
    return threads;
  }

  /** Ends them; no descriptor may be lost. */
  async end(): Promise<Record<string, number>> {
    const found = JSON.parse(await this.#talk.ask("stop"));
    const descriptors = descriptorsOf(this.pid);
    const { code, stderr } = await this.#talk.end();
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.deepEqual(descriptors, this.#descriptors);
    return found;
  }

  /** Ends threads that compare every answer with a model; all must have been right. Returns how many calls gave EIO. */
  async endRight(): Promise<number> {
    const { calls, ioErrors, ...found } = await this.end();
    assert.deepEqual(found, { wrong: 0, which: 0, error: 0 });
    assert.ok(calls > ioErrors, `${ioErrors} of ${calls} calls gave EIO`);
    return ioErrors;
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

/** Resolves when somebody was answered over HTTP since: nobody else's close is ever seen. */
async function httpProgress(state: ForwardState, container: string): Promise<void> {
  const answers = () => state.counters(container).close?.calls ?? 0;
  const before = answers();
  await until(`an answer of the sidecar of ${container}`, () => answers() > before);
}

/** Kills forwarders while calls are at each point of their way. Returns how many calls were at which. */
async function killForwarders(state: ForwardState, container: string, sniper: string, count: number): Promise<Record<string, number>> {
  const args = [`${state.seat(container)}/board`, `${count}`, `${Math.floor(Math.random() * 4)}`];
  const { code, stdout } = await withinMinute(new Deno.Command(sniper, { args, stdin: "null" }).output(), "the last shot", 60 + 2 * count);
  assert.equal(code, 0);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Kills sidecars while they start and while they answer; the next one answers whoever waits. */
async function killSidecars(state: ForwardState, container: string, count: number): Promise<void> {
  let last: number | null = null;
  for (let time = 0; time < count; time++) {
    const next = () => state.board(container).sidecarPid;
    await until("another sidecar", () => ![null, last].includes(next()));
    last = next()!;
    if (time % 3 > 0) await httpProgress(state, container);
    await delay(Math.random() * 20);
    signal(last, "SIGKILL");
  }
  await until("another sidecar", () => ![null, last].includes(state.board(container).sidecarPid));
  await httpProgress(state, container);
}

/** Processes that execute the calls of clients of the sidecar. */
function agentsOf(state: ForwardState, container: string): number[] {
  const { keeperPid } = state.board(container);
  const children = Deno.readTextFileSync(`/proc/${keeperPid}/task/${keeperPid}/children`).split(" ").filter((pid) => pid !== "");
  return children.map(Number).filter((pid) => isRunning(pid) && nameOf(pid) === "nodeos-agent");
}

function nameOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`).trim();
  } catch {
    return "";
  }
}

/** Kills agents while they execute calls. */
async function killAgents(state: ForwardState, container: string, count: number): Promise<void> {
  for (let time = 0; time < count; time++) {
    await until("an agent", () => agentsOf(state, container).length > 0);
    const agents = agentsOf(state, container);
    if (agents.length > 0) signal(agents[time % agents.length], "SIGKILL");
    await delay(Math.random() * 50);
  }
}

for (const threads of [1, 4]) {
  const what = `${kills.forwarder} forwarders, ${kills.sidecar} sidecars and ${kills.agent} agents are killed in mid-flight`;
  test(`${what}; ${threads} threads that make calls and ${threads} that ask over HTTP go on`, async (state, work) => {
    const [modelled, asking, sniper] = ["modelled", "asking", "sniper"].map((name) => work.compile(name));
    const asked = work.directory("asked");
    await state.up("deaths", { syscalls: { profile: "lean", forward: ["@path"] } });
    const apart = hasThreadPidfds() ? ["apart"] : [];
    await using callers = await Threads.start(state, "deaths", modelled, work.directory("files"), `${threads}`, ...apart);
    await using askers = await Threads.start(state, "deaths", asking, asked, `${threads}`);
    const [hits] = await withinMinute(
      Promise.all([
        killForwarders(state, "deaths", sniper, kills.forwarder),
        killSidecars(state, "deaths", kills.sidecar),
        killAgents(state, "deaths", kills.agent),
      ]),
      "the last death",
      60 + 5 * kills.forwarder,
    );
    const { answers, lost, died, wrong } = await askers.end();
    assert.ok(answers > 0 && wrong === 0 && lost > 0, JSON.stringify({ answers, lost, died, wrong }));
    // Of a request that was not answered, the directory may be there, once.
    assert.ok([...Deno.readDirSync(asked)].length <= lost + died);
    const ioErrors = await callers.endRight();
    assert.ok(ioErrors <= threads * kills.forwarder, `${ioErrors} EIO`);
    assert.ok(["received", "running", "adding"].every((point) => hits[point] > 0), JSON.stringify(hits));
    const { forwarderStarts, sidecarStarts } = state.board("deaths");
    assert.ok(forwarderStarts > kills.forwarder && sidecarStarts > kills.sidecar);
    await until("the end of the filters", () => state.board("deaths").listeners === 0);
    await until("the end of the agents", () => agentsOf(state, "deaths").length === 0);
  });
}

test("processes that come and go survive the death of their forwarder", async (state, work) => {
  await state.up("shells", { syscalls: "cnk" });
  const script = "for i in $(seq 30); do mkdir d$i && ls d$i && echo $i | cat >d$i/f && cat d$i/f || exit 1; done; echo end";
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
    if (code === 0) assert.match(stdout, /^30\nend\n$/m);
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
  const { keeperPid, forwarderPid } = state.board("orphans");
  const mark = marked(forwarderPid!);
  signal(keeperPid, "SIGKILL");
  await until("the forwarder's end", () => marked(forwarderPid!) !== mark);
  const { wrong, error } = JSON.parse(await program.ask("stop"));
  assert.ok(wrong > 0);
  assert.equal(error, 38);
  await program.end();
});

// --- stops ---------------------------------------------------------------------------------------------------------------------------

test("programs, forwarder and keeper are stopped and continued, and every answer is right", async (state, work) => {
  await state.up("stops", { syscalls: "cnk" });
  await using modelled = await Threads.start(state, "stops", work.compile("modelled"), work.directory("files"), "4");
  const { keeperPid, forwarderPid } = state.board("stops");
  for (let time = 0; time < 40; time++) {
    await progress(state, "stops");
    const pid = [modelled.pid, modelled.pid, forwarderPid!, keeperPid][time % 4];
    signal(pid, "SIGSTOP");
    await delay(Math.random() * 10);
    signal(pid, "SIGCONT");
  }
  await progress(state, "stops");
  assert.equal(await modelled.endRight(), 0);
  assert.equal(state.board("stops").forwarderStarts, 1);
});

const freezer = "/sys/fs/cgroup/freezer";
const canFreeze = isDirectory(freezer) && Deno.uid() === 0;

test("programs are frozen and thawed, and every answer is right", async (state, work) => {
  await state.up("frozen", { syscalls: "cnk" });
  const directory = `${freezer}/chaos-${Deno.pid}`;
  Deno.mkdirSync(directory);
  try {
    await using modelled = await Threads.start(state, "frozen", work.compile("modelled"), work.directory("files"), "4");
    Deno.writeTextFileSync(`${directory}/cgroup.procs`, `${modelled.pid}`);
    const freeze = (word: string) => Deno.writeTextFileSync(`${directory}/freezer.state`, word);
    for (let time = 0; time < 20; time++) {
      await progress(state, "frozen");
      freeze("FROZEN");
      await until("the frost", () => Deno.readTextFileSync(`${directory}/freezer.state`) === "FROZEN\n");
      freeze("THAWED");
    }
    await progress(state, "frozen");
    assert.equal(await modelled.endRight(), 0);
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
