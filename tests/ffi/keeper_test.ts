import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { Agent } from "../../ffi/agent.ts";
import { connectHandler, controlKeeper, keeperOf, placeKeeper, startKeeper, stopKeeper } from "../../ffi/keeper.ts";
import { sendSignal } from "../../ffi/task.ts";
import { callBy } from "./agent_calls.ts";
import { isRoot, kernel, ownCpus, startTicksOf, until } from "./host.ts";
import {
  askClient,
  boardWith,
  Client,
  forwardedErrno,
  isRunning,
  keeperTest,
  newDirectory,
  nobody,
  PeerSocket,
  TestKeeper,
} from "./keepers.ts";
import { checkout, denoProcess, linesOf, sanitizer, scratch } from "./programs.ts";

/** What a filtered program says while somebody forwards, and when nobody does any more. */
const forwarded = `getppid -1 ${forwardedErrno}`;
const notForwarded = "getppid -1 38";

const EINVAL = "result -22";
const EPERM = "result -1";

function modeOf(path: string): string {
  const { mode, uid, gid } = Deno.statSync(path);
  return `${(mode! & 0o7777).toString(8)} ${uid}:${gid}`;
}

function statusOf(pid: number, name: string): string {
  return new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(kernel.read(`/proc/${pid}/status`))?.[1] ?? "";
}

/** A server that says who it is; `/exit` ends it, `/agent` has an agent open a file of root's for the client. */
const sidecarScript = `${scratch}/sidecar.ts`;
Deno.writeTextFileSync(
  sidecarScript,
  `
import http from "node:http";
import { Agent } from "file://${checkout}ffi/agent.ts";
import { callBy } from "file://${checkout}tests/ffi/agent_calls.ts";
const directory = Deno.env.get("NODEOS_FORWARD_DIR");
http.createServer(async (request, response) => {
  if (request.url === "/exit") Deno.exit(0);
  if (request.url !== "/agent") return response.end(\`\${Deno.pid} \${Deno.uid()} \${directory}\`);
  using agent = await Agent.start(directory, request.socket._handle.fd);
  const { value: uid } = await callBy(agent, "getuid");
  const { value: opened } = await callBy(agent, "openat", [-100, 0, 0, 0], [, "/etc/shadow"]);
  response.end(\`\${uid} \${opened}\`);
}).listen({ fd: 0 });
`,
);
const sidecar = { argv: [Deno.execPath(), "run", "-q", "--no-check", "-A", sidecarScript], uid: nobody, gid: nobody };

/** Command lines of the keepers of this machine, and of what they forked. */
function keeperProcesses(): string[] {
  const pids = kernel.list("/proc").map(({ name }) => name).filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => kernel.tryRead(`/proc/${pid}/cmdline`) ?? "").filter((command) => command.includes("/nodeos-forwarder\0"));
}

/** The end of the body that the sidecar answers with. */
function get({ directory }: TestKeeper, path = "/", uid = nobody): Promise<string> {
  return askClient("get", `${directory}/sidecar.sock`, uid, path);
}

keeperTest("startKeeper() makes a directory that others pass through, and see nothing but their socket", async () => {
  await using keeper = await TestKeeper.start({ sidecar, files: { filter: new Uint8Array(8) } });
  const { directory } = keeper;
  assert.equal(modeOf(directory), "711 0:0");
  for (const name of ["board", "control.sock", "log", "filter"]) assert.equal(modeOf(`${directory}/${name}`), "600 0:0", name);
  assert.equal(modeOf(`${directory}/sidecar.sock`), `600 ${nobody}:${nobody}`);
  assert.equal([...Deno.readDirSync(directory)].length, 5);
});

keeperTest("startKeeper() returns the process that the board names, which serves, and is nobody's child", async () => {
  await using keeper = await TestKeeper.start();
  const { pid, startTicks } = keeper.process;
  assert.deepEqual(keeperOf(keeper.directory), { pid, startTicks });
  assert.equal(startTicks, startTicksOf(pid));
  const { keeperPid, forwarderPid, forwarderStarts, sidecarPid, listeners } = keeper.state;
  assert.deepEqual({ keeperPid, forwarderStarts, sidecarPid, listeners }, {
    keeperPid: pid,
    forwarderStarts: 1,
    sidecarPid: null,
    listeners: 0,
  });
  assert.deepEqual(keeper.children, [forwarderPid]);
  const fields = kernel.read(`/proc/${pid}/stat`).split(") ")[1].split(" ");
  assert.notEqual(Number(fields[1]), Deno.pid);
  // A session of its own: what a terminal sends to nodeos does not reach it.
  assert.equal(fields[3], `${pid}`);
});

keeperTest("startKeeper() puts the keeper and all that it starts on its CPUs", async () => {
  const cpus = [ownCpus.at(-1)!];
  await using keeper = await TestKeeper.start({ cpus });
  for (const pid of [keeper.process.pid, ...keeper.children]) assert.equal(statusOf(pid, "Cpus_allowed_list"), `${cpus[0]}`);
});

keeperTest("startKeeper() refuses a directory where a keeper lives", async () => {
  await using keeper = await TestKeeper.start();
  const { directory } = keeper;
  await assert.rejects(startKeeper({ directory, board: boardWith() }), {
    message: `Cannot start a keeper in ${directory}: process ${keeper.process.pid} is one; stop it first`,
  });
  assert(isRunning(keeper.process.pid));
});

keeperTest("startKeeper() refuses a directory with the files of others, and leaves them", async () => {
  const directory = newDirectory();
  Deno.mkdirSync(directory);
  Deno.writeTextFileSync(`${directory}/thesis`, "");
  await assert.rejects(startKeeper({ directory, board: boardWith() }), /there are other files in it/);
  await assert.rejects(stopKeeper(directory), /there are other files in it/);
  assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["thesis"]);
});

keeperTest("stopKeeper() removes what a killed command left half made, or half removed", async () => {
  for (const names of [[], ["board.new"], ["board"], ["board", "filter.new"], ["board", "filter", "policy.json"]]) {
    const directory = newDirectory();
    Deno.mkdirSync(directory);
    for (const name of names) Deno.writeTextFileSync(`${directory}/${name}`, "");
    await stopKeeper(directory);
    assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound);
  }
});

keeperTest("startKeeper() leaves nothing where a path is longer than a socket's may be", async () => {
  const directory = `${newDirectory()}-${"x".repeat(108)}`;
  await assert.rejects(startKeeper({ directory, board: boardWith() }), { code: "ENAMETOOLONG" });
  assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound);
});

const wrongBoards: [string, (board: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>][] = [
  ["of another version", (board) => board.fill(0x39, 7, 8)],
  ["of another size", (board) => board.fill(1, 8, 9)],
  ["of another architecture", (board) => board.fill(0xff, 12, 13)],
  ["that is cut off", (board) => board.subarray(0, board.length - 1)],
  ["that is empty", () => new Uint8Array(0)],
];
for (const [what, spoil] of wrongBoards) {
  keeperTest(`startKeeper() says of a board ${what} that it is none, and leaves nothing`, async () => {
    const directory = newDirectory();
    await assert.rejects(startKeeper({ directory, board: spoil(boardWith()) }), {
      message: `Cannot start the keeper of ${directory}: Cannot use descriptor 1: it is no board of this version and machine`,
    });
    assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound);
  });
}

keeperTest("startKeeper() says why the keeper did not start, and leaves nothing", async () => {
  for (
    const [request, words] of [
      [{ owner: { pid: Deno.pid, startTicks: "1" } }, /Cannot start: No such process$/],
      [{ owner: { pid: 0, startTicks: "1" } }, /Cannot read the arguments: --owner$/],
      [{ record: "/nonexistent/record" }, /Cannot start: No such file or directory$/],
      [{ sidecar: { ...sidecar, uid: -1 } }, /Cannot read the arguments: --sidecar-owner$/],
    ] as const
  ) {
    const directory = newDirectory();
    await assert.rejects(startKeeper({ directory, board: boardWith(), ...request }), words);
    assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound);
  }
});

keeperTest("startKeeper() replaces what a killed keeper left", async () => {
  await using keeper = await TestKeeper.start({ sidecar });
  await using program = new Client(["filtered", keeper.control]);
  assert.equal(await program.line(), "listener 1");
  Deno.kill(keeper.process.pid, "SIGKILL");
  await until("it dies", () => keeperOf(keeper.directory) === null);
  const { pid } = await startKeeper({ directory: keeper.directory, board: boardWith() });
  assert.notEqual(pid, keeper.process.pid);
  assert.equal(keeper.state.forwarderStarts, 1);
});

keeperTest("a process that is killed while it starts a keeper leaves none behind", async () => {
  const boardPath = `${scratch}/board-of-killed`;
  Deno.writeFileSync(boardPath, boardWith());
  for (let delayMs = 0; delayMs < 20; delayMs += 2) {
    const directory = newDirectory();
    const starter = denoProcess(`
      const { startKeeper } = await import(ffi + "keeper.ts");
      const board = Deno.readFileSync(${JSON.stringify(boardPath)});
      console.log("ready");
      await startKeeper({ directory: ${JSON.stringify(directory)}, board, owner: undefined });
      console.log("started");
      setInterval(() => {}, 1000);`);
    const lines = linesOf(starter.stdout);
    await lines.next();
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    const isStarted = keeperOf(directory) !== null;
    starter.kill("SIGKILL");
    for await (const _line of lines);
    await starter.stderr.cancel();
    await starter.status;
    // It stays when it was told so, and is found; otherwise it ends by itself.
    await stopKeeper(directory).catch((error) => assert.match(error.message, /ENOTEMPTY|Directory not empty/));
    await until("none is left", () => !keeperProcesses().some((command) => command.includes(`--owner\0${starter.pid}:`)));
    await stopKeeper(directory);
    assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound, `${delayMs} ms, ${isStarted}`);
  }
});

keeperTest("stopKeeper() ends the keeper with forwarder, sidecar and agents, and removes the directory", async () => {
  const keeper = await TestKeeper.start({ sidecar });
  await using socket = await PeerSocket.open();
  await controlKeeper(keeper.directory, "sidecar");
  assert.match(await get(keeper), /^\d+ 0 /);
  await using program = new Client(["filtered", keeper.control]);
  await program.line();
  const pids = [keeper.process.pid, ...keeper.children];
  assert.equal(pids.length, 3);
  await stopKeeper(keeper.directory);
  assert.deepEqual(pids.filter(isRunning), []);
  assert.throws(() => Deno.statSync(keeper.directory), Deno.errors.NotFound);
  assert.equal(await program.tell(), notForwarded);
  void socket;
});

keeperTest("stopKeeper() does nothing where there is nothing, and no harm twice", async () => {
  await stopKeeper(newDirectory());
  const keeper = await TestKeeper.start();
  await Promise.all([stopKeeper(keeper.directory), stopKeeper(keeper.directory).catch((error) => assert.equal(error.code, "ENOENT"))]);
  await stopKeeper(keeper.directory);
});

keeperTest("stopKeeper() kills a keeper that does not answer", async () => {
  const keeper = await TestKeeper.start();
  const pids = [keeper.process.pid, ...keeper.children];
  Deno.kill(keeper.process.pid, "SIGSTOP");
  await stopKeeper(keeper.directory);
  await until("all of it ends", () => !pids.some(isRunning));
});

keeperTest("stopKeeper() does not kill a process that a forged board names", async () => {
  const directory = newDirectory();
  await using victim = new Client(["wait"]);
  await victim.line();
  Deno.mkdirSync(directory);
  const board = boardWith();
  new DataView(board.buffer).setBigUint64(16, BigInt(startTicksOf(victim.pid)), true);
  new DataView(board.buffer).setInt32(24, victim.pid, true);
  Deno.writeFileSync(`${directory}/board`, board);
  assert.equal(keeperOf(directory), null);
  await stopKeeper(directory);
  assert(isRunning(victim.pid));
});

keeperTest("SIGTERM ends a keeper as asking it to stop does", async () => {
  await using keeper = await TestKeeper.start({ sidecar });
  const { pid } = keeper.process;
  const { children } = keeper;
  sendSignal(pid, BigInt(keeper.process.startTicks), 15);
  await until("it ends", () => ![pid, ...children].some(isRunning));
  assert.throws(() => Deno.statSync(`${keeper.directory}/sidecar.sock`), Deno.errors.NotFound);
  assert.equal(keeper.state.keeperPid, 0);
});

keeperTest("a keeper whose owner ends has nothing to keep, and ends at once", async () => {
  const owner = new Client(["wait"]);
  await owner.line();
  await using keeper = await TestKeeper.start({ owner: { pid: owner.pid, startTicks: startTicksOf(owner.pid) } });
  assert(isRunning(keeper.process.pid));
  await owner[Symbol.asyncDispose]();
  await until("it ends", () => !isRunning(keeper.process.pid));
});

keeperTest("a keeper whose owner ends lives as long as a program that it forwards for", async () => {
  const owner = new Client(["wait"]);
  await owner.line();
  await using keeper = await TestKeeper.start({ owner: { pid: owner.pid, startTicks: startTicksOf(owner.pid) } });
  const program = new Client(["filtered", keeper.control]);
  assert.equal(await program.line(), "listener 1");
  await owner[Symbol.asyncDispose]();
  for (let i = 0; i < 20; i++) assert.equal(await program.tell(), forwarded);
  assert(isRunning(keeper.process.pid));
  await program[Symbol.asyncDispose]();
  await until("it ends", () => !isRunning(keeper.process.pid));
});

keeperTest("a keeper that is told to stay outlives its owner", async () => {
  const owner = new Client(["wait"]);
  await owner.line();
  await using keeper = await TestKeeper.start({ owner: { pid: owner.pid, startTicks: startTicksOf(owner.pid) } });
  assert.equal(await controlKeeper(keeper.directory, "stay"), 0);
  await owner[Symbol.asyncDispose]();
  assert.equal(await controlKeeper(keeper.directory, "stay"), 0);
  assert(isRunning(keeper.process.pid));
});

keeperTest("a keeper that stays ends when its directory is removed, and its last program has ended", async () => {
  await using keeper = await TestKeeper.start();
  const { pid } = keeper.process;
  await controlKeeper(keeper.directory, "stay");
  await using program = new Client(["filtered", keeper.control]);
  await program.line();
  Deno.renameSync(`${keeper.directory}/board`, `${keeper.directory}/other`);
  assert.equal(await program.tell(), forwarded);
  Deno.renameSync(`${keeper.directory}/other`, `${keeper.directory}/board`);
  Deno.removeSync(keeper.directory, { recursive: true });
  assert.equal(await program.tell(), forwarded);
  assert(isRunning(pid));
  await program[Symbol.asyncDispose]();
  await until("the end of the keeper", () => !isRunning(pid));
});

keeperTest("listeners are numbered, and dropped when their last program ends", async () => {
  await using keeper = await TestKeeper.start();
  const before = keeper.fdCount;
  const first = new Client(["filtered", keeper.control]), second = new Client(["filtered", keeper.control]);
  assert.deepEqual([await first.line(), await second.line()].sort(), ["listener 1", "listener 2"]);
  assert.deepEqual([await first.tell(), await second.tell()], [forwarded, forwarded]);
  assert.equal(keeper.state.listeners, 2);
  await first[Symbol.asyncDispose]();
  await until("the first is dropped", () => keeper.state.listeners === 1);
  assert.equal(await second.tell(), forwarded);
  await second[Symbol.asyncDispose]();
  await until("both are dropped", () => keeper.state.listeners === 0 && keeper.fdCount <= before);
  await using third = new Client(["filtered", keeper.control]);
  assert.equal(await third.line(), "listener 3");
});

keeperTest("the keeper sleeps while programs call", async () => {
  await using keeper = await TestKeeper.start();
  await using program = new Client(["filtered", keeper.control]);
  await program.line();
  await program.tell();
  const wakeUps = () => Number(statusOf(keeper.process.pid, "voluntary_ctxt_switches"));
  const before = wakeUps();
  for (let i = 0; i < 300; i++) assert.equal(await program.tell(), forwarded);
  assert(wakeUps() - before < 30, `it woke up ${wakeUps() - before} times in 300 calls`);
});

keeperTest("a forwarder that is killed 50 times has a successor each time, and the program sees nothing of it", async () => {
  await using keeper = await TestKeeper.start();
  await using program = new Client(["filtered", keeper.control]);
  await using other = new Client(["filtered", keeper.control]);
  await program.line();
  await other.line();
  const before = keeper.fdCount;
  for (let i = 0, former: number | null = null; i < 50; i++) {
    await until("there is a new forwarder", () => ![null, former].includes(keeper.state.forwarderPid));
    former = keeper.state.forwarderPid!;
    Deno.kill(former, "SIGKILL");
    assert.equal(await program.tell(), forwarded);
  }
  assert.equal(await other.tell(), forwarded);
  const { forwarderStarts } = keeper.state;
  assert.equal(forwarderStarts, 51);
  await until("the last one serves", () => keeper.fdCount <= before && keeper.state.listeners === 2);
  assert.equal(
    Deno.readTextFileSync(`${keeper.directory}/log`).match(/the forwarder \(process \d+\) was ended by signal 9\n/g)?.length,
    50,
  );
});

keeperTest("a keeper that is killed takes everything along: no process is left, and programs get ENOSYS", async () => {
  await using keeper = await TestKeeper.start({ sidecar });
  await using socket = await PeerSocket.open();
  await using program = new Client(["filtered", keeper.control]);
  await program.line();
  await get(keeper);
  await using bare = await TestKeeper.start();
  await using peer = Client.peer(socket.path);
  await peer.line();
  using agent = await Agent.start(bare.directory, await socket.accept());
  const pids = [...keeper.children, ...bare.children];
  assert.equal(pids.length, 4);
  assert.equal(await program.tell(), forwarded);
  for (const { process: { pid, startTicks } } of [keeper, bare]) sendSignal(pid, BigInt(startTicks), 9);
  await until("all of it ends", () => !pids.some(isRunning));
  assert.equal(await program.tell(), notForwarded);
  await assert.rejects(callBy(agent, "getuid"), { code: "EPIPE" });
});

const refusals: [string, string, (string | number)[]][] = [
  ["a question of one byte", EINVAL, [1, 0, 2]],
  ["a question of seven bytes", EINVAL, [7, 0, 2]],
  ["a question of nine bytes", EINVAL, [9, 0, 2]],
  ["a question of 60,000 bytes", EINVAL, [60_000, 0, 2]],
  ["question 0", EINVAL, [8, 0, 0]],
  ["question 7", EINVAL, [8, 0, 7]],
  ["question 4294967295", EINVAL, [8, 0, 2 ** 32 - 1]],
  ["a listener that is missing", EINVAL, [8, 0, 1]],
  ["a listener that is none", EINVAL, [8, 1, 1]],
  ["a descriptor that nobody asked for", EINVAL, [8, 1, 2]],
  ["two descriptors", EINVAL, [8, 2, 1]],
  ["eight descriptors with garbage", EINVAL, [77, 8, 1]],
  ["a peer that is missing", EINVAL, [8, 0, 4]],
  ["a peer that is a socket of packets", EINVAL, [8, 1, 4]],
  ["a handler that is missing", EINVAL, [8, 0, 5]],
];
keeperTest("the keeper refuses what it does not understand, keeps nothing of it, and serves on", async () => {
  await using keeper = await TestKeeper.start();
  await using program = new Client(["filtered", keeper.control]);
  await program.line();
  const before = keeper.fdCount;
  for (const [what, words, args] of refusals) assert.equal(await askClient("raw", keeper.control, ...args), words, what);
  await until("nothing of it is kept", () => keeper.fdCount <= before);
  assert.equal(await program.tell(), forwarded);
  assert.equal(keeper.state.listeners, 1);
});

keeperTest("clients that connect and say nothing keep nobody from being answered", async () => {
  await using keeper = await TestKeeper.start();
  const before = keeper.fdCount;
  const idle = new Client(["idle", keeper.control, 200]);
  assert.equal(await idle.line(), "idle");
  for (let i = 0; i < 5; i++) assert.equal(await controlKeeper(keeper.directory, "stay"), 0);
  assert(keeper.fdCount <= before + 32, `${keeper.fdCount - before} of them are open`);
  await idle[Symbol.asyncDispose]();
  await until("they are closed", () => keeper.fdCount <= before);
});

keeperTest("nobody but root may ask the keeper, neither by the file's mode nor by who it is", async () => {
  await using keeper = await TestKeeper.start();
  const asUser = async () => {
    await using client = new Client(["raw", keeper.control, 8, 0, 2], ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    return await client.line();
  };
  assert.equal(await asUser(), "connect 13");
  Deno.chmodSync(keeper.control, 0o666);
  assert.equal(await asUser(), EPERM);
  assert.equal(await askClient("raw", keeper.control, 8, 0, 2), "result 0");
});

keeperTest("controlKeeper() says that there is no keeper, and what a keeper refuses", async () => {
  const directory = newDirectory();
  await assert.rejects(controlKeeper(directory, "stay"), { name: "SysError", code: "ENOENT" });
  await using keeper = await TestKeeper.start();
  await assert.rejects(controlKeeper(keeper.directory, "sidecar"), {
    code: "ENOENT",
    message: `Cannot ask the keeper in ${keeper.directory} for sidecar: ENOENT (no such file or directory)`,
  });
  await assert.rejects(controlKeeper(keeper.directory, "listen", 0), { code: "EINVAL" });
  Deno.kill(keeper.process.pid, "SIGKILL");
  await until("it dies", () => keeperOf(keeper.directory) === null);
  // Its socket may live a moment longer than it does.
  await assert.rejects(controlKeeper(keeper.directory, "stay"), /ECONNREFUSED|ECONNRESET/);
});

keeperTest("the sidecar starts at the first connection, as root without any capability", async () => {
  await using keeper = await TestKeeper.start({ sidecar, addEnv: { NODEOS_TEST: "1" } });
  assert.deepEqual([keeper.state.sidecarPid, keeper.state.sidecarStarts], [null, 0]);
  const [pid, uid, directory] = (await get(keeper)).split(" ");
  assert.deepEqual([uid, directory], ["0", keeper.directory]);
  assert.deepEqual([keeper.state.sidecarPid, keeper.state.sidecarStarts], [Number(pid), 1]);
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
    assert.equal(BigInt(`0x${statusOf(Number(pid), set)}`), 0n, set);
  }
  assert.equal(statusOf(Number(pid), "NoNewPrivs"), "1");
  assert.match(kernel.read(`/proc/${pid}/environ`), /(?:^|\0)NODEOS_TEST=1\0/);
  // One process for all connections.
  assert.equal((await get(keeper)).split(" ")[0], pid);
});

keeperTest("the sidecar starts before anybody connects when it is asked for", async () => {
  await using keeper = await TestKeeper.start({ sidecar });
  const pid = await controlKeeper(keeper.directory, "sidecar");
  assert.equal(keeper.state.sidecarPid, pid);
  assert.equal(await controlKeeper(keeper.directory, "sidecar"), pid);
  assert.equal((await get(keeper)).split(" ")[0], `${pid}`);
  assert.equal(keeper.state.sidecarStarts, 1);
});

keeperTest("who connects while no sidecar runs is answered by the next one", async () => {
  await using keeper = await TestKeeper.start({ sidecar });
  const first = (await get(keeper)).split(" ")[0];
  Deno.kill(Number(first), "SIGKILL");
  await until("it is gone", () => keeper.state.sidecarPid === null);
  const answers = await Promise.all(Array.from({ length: 8 }, () => get(keeper)));
  const pids = new Set(answers.map((answer) => answer.split(" ")[0]));
  assert.equal(pids.size, 1);
  assert(!pids.has(first));
  assert.equal(keeper.state.sidecarStarts, 2);
  // The one that asks it to end is not answered; the next one is.
  assert.equal(await get(keeper, "/exit"), "nothing");
  assert.match(await get(keeper), /^\d+ 0 /);
  assert.equal(keeper.state.sidecarStarts, 3);
});

keeperTest("nobody but the sidecar's user and root may connect to it", async () => {
  await using keeper = await TestKeeper.start({ sidecar });
  assert.equal(await get(keeper, "/", 1000), "connect 13");
  assert.equal(keeper.state.sidecarStarts, 0);
});

keeperTest("a sidecar that cannot start keeps neither the keeper busy nor clients waiting, and the log says why", async () => {
  await using keeper = await TestKeeper.start({ sidecar: { ...sidecar, argv: ["/nonexistent/sidecar"] } });
  await using program = new Client(["filtered", keeper.control]);
  await program.line();
  await using waiting = new Client(["get", `${keeper.directory}/sidecar.sock`, nobody, "/"]);
  await until("it was tried", () => keeper.state.sidecarStarts >= 4 && keeper.state.sidecarPid === null);
  assert.equal(await waiting.line(), "nothing");
  for (let i = 0; i < 20; i++) assert.equal(await program.tell(), forwarded);
  const log = Deno.readTextFileSync(`${keeper.directory}/log`);
  assert.match(log, /Cannot start the sidecar \/nonexistent\/sidecar: No such file or directory\n/);
  assert.match(log, /the sidecar \(process \d+\) ended with status 127\n/);
  assert(keeper.state.sidecarStarts <= 5, `${keeper.state.sidecarStarts} starts`);
});

keeperTest("the sidecar has calls executed with the rights of its clients", async () => {
  await using keeper = await TestKeeper.start({ sidecar, addEnv: sanitizer });
  assert.equal(await get(keeper, "/agent"), `${nobody} -13`);
  assert.equal(await get(keeper, "/agent", 0), "0 3");
  await until("the agents are gone", () => keeper.children.length === 2);
});

keeperTest("a keeper with a sidecar makes agents for connections to the sidecar's socket only", async () => {
  await using keeper = await TestKeeper.start({ sidecar });
  await using socket = await PeerSocket.open();
  await using peer = Client.peer(socket.path);
  await peer.line();
  await assert.rejects(Agent.start(keeper.directory, await socket.accept()), { code: "EINVAL" });
});

keeperTest("connectHandler() connects a stream to the forwarder, whose successor knows nothing of it", async () => {
  await using keeper = await TestKeeper.start();
  const before = keeper.fdCount;
  const handler = new net.Socket({ fd: await connectHandler(keeper.directory) });
  handler.resume();
  await until("the keeper has passed it on", () => keeper.fdCount <= before);
  assert(!handler.destroyed);
  const ended = once(handler, "close");
  Deno.kill(keeper.state.forwarderPid!, "SIGKILL");
  await ended;
  await assert.rejects(connectHandler(newDirectory()), { code: "ENOENT" });
});

keeperTest("placeKeeper() moves every thread of the keeper and of what it started, and those that they start later", async () => {
  const [first, ...others] = ownCpus;
  await using keeper = await TestKeeper.start({ sidecar, cpus: [first] });
  const sidecarPid = await controlKeeper(keeper.directory, "sidecar");
  await get(keeper);
  const processes = () => [keeper.process.pid, keeper.state.forwarderPid!, sidecarPid];
  const masks = () =>
    new Set(
      processes().flatMap((pid) =>
        kernel.list(`/proc/${pid}/task`).map(({ name }) =>
          /^Cpus_allowed_list:\s*(\S+)$/m.exec(kernel.read(`/proc/${pid}/task/${name}/status`))![1]
        )
      ),
    );
  assert.deepEqual(masks(), new Set([`${first}`]));
  const target = others.at(-1) ?? first;
  placeKeeper(keeper.directory, [target]);
  assert.deepEqual(masks(), new Set([`${target}`]));
  const former = keeper.state.forwarderPid;
  Deno.kill(former!, "SIGKILL");
  await until("another forwarder", () => keeper.state.forwarderPid !== former && !!keeper.state.forwarderPid);
  assert.deepEqual(masks(), new Set([`${target}`]));
});

keeperTest("placeKeeper() where there is none does nothing", () => {
  placeKeeper(newDirectory(), ownCpus);
  return Promise.resolve();
});

keeperTest("startKeeper() serves where no process may have more than a few descriptors", async () => {
  const forwarded = [
    Deno.execPath(),
    "run",
    "-q",
    "-A",
    `${checkout}tests/suites/forwarded.ts`,
    "full,@path=forward",
    "--",
    "ls",
    "/proc/self",
  ];
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 200 && exec "$@"', "sh", ...forwarded],
    env: sanitizer,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.match(new TextDecoder().decode(stdout), /^status$/m);
});

Deno.test({
  name: `startKeeper() needs root${isRoot ? " [needs another user]" : ""}`,
  ignore: isRoot,
  fn: async () => {
    const directory = newDirectory();
    await assert.rejects(startKeeper({ directory, board: boardWith() }));
  },
});
