import assert from "node:assert/strict";
import net from "node:net";
import fc from "fast-check";
import { Agent } from "../../ffi/agent.ts";
import { controlKeeper, peerOf } from "../../ffi/keeper.ts";
import { launch, wait } from "../../ffi/launch.ts";
import { kernel, until } from "./host.ts";
import { callBy, numberOf } from "./agent_calls.ts";
import {
  boardWith,
  cannotKeep,
  Client,
  clientProgram,
  isRunning,
  keeperTest,
  keepNote,
  nobody,
  PeerSocket,
  TestKeeper,
} from "./keepers.ts";
import { descriptorOf, sanitizer, scratch } from "./programs.ts";

/** A keeper, a peer of it, and the peer's agent. */
class Session implements AsyncDisposable {
  private constructor(
    readonly keeper: TestKeeper,
    readonly socket: PeerSocket,
    readonly peer: Client,
    readonly connectionFd: number,
    readonly agent: Agent,
  ) {}

  static async open(options: Parameters<typeof Client.peer>[1] = {}, board?: Uint8Array<ArrayBuffer>): Promise<Session> {
    const keeper = await TestKeeper.start(board === undefined ? {} : { board });
    const socket = await PeerSocket.open();
    const peer = Client.peer(socket.path, options);
    assert.match(await peer.line(), /^connected \d+$/);
    const connectionFd = await socket.accept();
    return new Session(keeper, socket, peer, connectionFd, await Agent.start(keeper.directory, connectionFd));
  }

  /** The agent's process id. */
  get pid(): number {
    return this.keeper.children.find((pid) => pid !== this.keeper.state.forwarderPid)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agent[Symbol.dispose]();
    await this.peer[Symbol.asyncDispose]();
    await this.socket[Symbol.asyncDispose]();
    await this.keeper[Symbol.asyncDispose]();
  }
}

const EPERM = -1, ENOENT = -2, EBADF = -9, EACCES = -13, EINVAL = -22, EMFILE = -24, ENOSYS = -38;
const currentDirectory = -100;
const [writeOnly, readWrite, create] = [1, 2, 0o100];

/** A directory that everybody may write to. */
function openDirectory(name: string): string {
  const path = `${scratch}/${name}`;
  Deno.mkdirSync(path, { recursive: true });
  Deno.chmodSync(path, 0o777);
  return path;
}

function statusOf(pid: number, name: string): string {
  return new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(kernel.read(`/proc/${pid}/status`))?.[1] ?? "";
}

keeperTest("an agent is its peer: ids, groups, capabilities, umask, directory, limits, and nothing of root's", async () => {
  const cwd = openDirectory("peer-home");
  await using session = await Session.open({ cwd, files: 99 });
  const { pid } = session;
  assert.equal(statusOf(pid, "Name"), "nodeos-agent");
  assert.equal(statusOf(pid, "Uid"), Array(4).fill(nobody).join("\t"));
  assert.equal(statusOf(pid, "Gid"), Array(4).fill(nobody).join("\t"));
  assert.equal(statusOf(pid, "Groups"), `4242 ${nobody}`);
  assert.equal(statusOf(pid, "Umask"), "0027");
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) assert.equal(BigInt(`0x${statusOf(pid, set)}`), 0n, set);
  assert.equal(statusOf(pid, "NoNewPrivs"), "1");
  // What it does neither for its peer nor for itself is refused, whatever runs there; the sanitizer could not work so.
  if (Object.keys(sanitizer).length === 0) assert.equal(statusOf(pid, "Seccomp"), "2");
  assert.equal(kernel.link(`/proc/${pid}/cwd`), cwd);
  assert.match(kernel.read(`/proc/${pid}/limits`), /^Max open files +99 +99 /m);
  assert.match(kernel.read(`/proc/${pid}/limits`), /^Max core file size +0 +0 /m);
  assert.deepEqual(kernel.list(`/proc/${pid}/fd`).map(({ name }) => Number(name)).sort((a, b) => a - b), [0, 1, 2, 1024, 1025, 1026, 1027]);
  for (const fd of [0, 1, 2]) assert.equal(kernel.link(`/proc/${pid}/fd/${fd}`), "/dev/null");
  // Of the board it has what it cannot write: no mapping of it is writable, or shared with the journal.
  const mappings = kernel.read(`/proc/${pid}/maps`).split("\n").filter((line) => line.endsWith("/board"));
  assert.deepEqual(mappings.map((line) => line.split(" ")[1]), ["r--s"]);
});

keeperTest("an agent's memory was root's: its peer may not look into it", async () => {
  await using session = await Session.open();
  const { pid } = session;
  const look = `cat /proc/${pid}/maps >/dev/null 2>&1 && echo seen || echo refused; cat /proc/$$/maps >/dev/null && echo own`;
  const path = `${scratch}/look`;
  using _file = Deno.createSync(path);
  Deno.chmodSync(path, 0o666);
  const argv = ["sh", "-c", `{ ${look}; } > ${path}`];
  assert.equal(wait(launch({ argv, credentials: { uid: nobody, gid: nobody } })).code, 0);
  assert.equal(Deno.readTextFileSync(path), "refused\nown\n");
});

keeperTest("an agent makes files as its peer would, and opens none that its peer may not", async () => {
  const cwd = openDirectory("peer-files");
  Deno.writeTextFileSync(`${cwd}/secret`, "of root\n", { mode: 0o600 });
  await using session = await Session.open({ cwd });
  const { agent } = session;
  assert.equal((await callBy(agent, "openat", [currentDirectory, 0, 0, 0], [, "secret"])).value, EACCES);
  assert.equal((await callBy(agent, "openat", [currentDirectory, 0, 0, 0], [, "nothing"])).value, ENOENT);
  const { value: fd } = await callBy(agent, "openat", [currentDirectory, 0, create | writeOnly, 0o666], [, "made"]);
  assert.equal(fd, 3);
  const { uid, gid, mode } = Deno.statSync(`${cwd}/made`);
  assert.deepEqual([uid, gid, mode! & 0o777], [nobody, nobody, 0o640]);
  assert.equal((await callBy(agent, "fchownat", [currentDirectory, 0, 0, 0, 0], [, "made"])).value, EPERM);
  assert.equal((await callBy(agent, "mkdirat", [currentDirectory, 0, 0o777], [, "/root-only"])).value, EACCES);
  // It is the peer's directory that is asked, not root's way to it.
  assert.equal((await callBy(agent, "faccessat", [currentDirectory, 0, 4], [, "secret"])).value, EACCES);
});

keeperTest("an agent keeps descriptors, directory and umask from call to call", async () => {
  const cwd = openDirectory("peer-state");
  await using session = await Session.open({ cwd: "/" });
  const { agent } = session;
  const text = new TextEncoder().encode("data of the peer\n");
  assert.equal((await callBy(agent, "chdir", [], [cwd])).value, 0);
  assert.equal((await callBy(agent, "umask", [0o077])).value, 0o027);
  const { value: fd } = await callBy(agent, "openat", [currentDirectory, 0, create | readWrite, 0o666], [, "state"]);
  assert.equal((await callBy(agent, "write", [fd, 0, 0], [, text])).value, text.length);
  assert.equal((await callBy(agent, "lseek", [fd, 5, 0])).value, 5);
  const read = await callBy(agent, "read", [fd, 0, 100]);
  assert.deepEqual([read.value, new TextDecoder().decode(read.data[1]!)], [text.length - 5, "of the peer\n"]);
  const copy = Number((await callBy(agent, "dup", [fd])).value);
  assert.equal((await callBy(agent, "close", [fd])).value, 0);
  assert.equal((await callBy(agent, "read", [fd, 0, 100])).value, EBADF);
  assert.equal(Number((await callBy(agent, "pread64", [copy, 0, 4, 0])).value), 4);
  assert.equal(Deno.statSync(`${cwd}/state`).mode! & 0o777, 0o600);
  const where = await callBy(agent, "getcwd", [0, 4096]);
  assert.equal(new TextDecoder().decode(where.data[0]!), `${cwd}\0`);
  assert.equal((await callBy(agent, "getuid")).value, nobody);
});

keeperTest("an agent opens no more files than its peer may, and gives its own descriptors to nobody", async () => {
  await using session = await Session.open({ files: 8 });
  const { agent } = session;
  for (let fd = 3; fd < 8; fd++) assert.equal((await callBy(agent, "openat", [currentDirectory, 0, 0, 0], [, "/"])).value, fd);
  assert.equal((await callBy(agent, "openat", [currentDirectory, 0, 0, 0], [, "/"])).value, EMFILE);
  for (const fd of [1024, 1025, 1027, 2 ** 31 - 1]) {
    for (const name of ["close", "dup", "fstat", "fchdir"]) {
      assert.equal((await callBy(agent, name, [fd, 0])).value, EBADF, `${name} ${fd}`);
    }
    assert.equal((await callBy(agent, "openat", [fd, 0, 0, 0], [, "."])).value, EBADF);
    assert.equal((await callBy(agent, "write", [fd, 0, 0], [, new Uint8Array(16)])).value, EBADF);
  }
});

keeperTest("an agent moves up to a frame of data, and fills no more than that", async () => {
  const cwd = openDirectory("peer-data");
  await using session = await Session.open({ cwd });
  const { agent } = session;
  const data = crypto.getRandomValues(new Uint8Array(60_000));
  const { value: fd } = await callBy(agent, "openat", [currentDirectory, 0, create | readWrite, 0o600], [, "data"]);
  for (let i = 0; i < 20; i++) assert.equal((await callBy(agent, "write", [fd, 0, 0], [, data])).value, data.length);
  const answer = await callBy(agent, "pread64", [fd, 0, 2 ** 40, 0]);
  assert(1_000_000 < Number(answer.value) && Number(answer.value) < 2 ** 20);
  assert.equal(answer.data[1]!.length, answer.value);
  assert.deepEqual(answer.data[1]!.slice(60_000, 120_000), data);
  const none = await callBy(agent, "pread64", [fd, 0, 0, 0]);
  assert.deepEqual([none.value, none.data[1]!.length], [0, 0]);
});

keeperTest("an agent executes nothing that makes, ends, signals or traces processes, nor what nobody described", async () => {
  await using session = await Session.open();
  const { agent, pid } = session;
  const names =
    "kill tgkill tkill ptrace fork vfork clone clone3 execve execveat exit exit_group setuid setresuid setgroups capset prctl unshare"
      .split(" ").concat(
        "setns chroot pivot_root mount mmap munmap mprotect ioctl fcntl wait4 futex seccomp bpf dup2 dup3 process_vm_writev".split(" "),
      );
  for (const name of names) {
    const frame = new Uint8Array(80);
    const view = new DataView(frame.buffer);
    view.setUint32(0, frame.length, true);
    view.setUint32(16, numberOf(name), true);
    view.setBigUint64(32, BigInt(pid), true);
    view.setBigUint64(40, 9n, true);
    const answer = new DataView((await agent.call(frame)).buffer);
    assert.equal(Number(answer.getBigInt64(24, true)), ENOSYS, name);
  }
  for (const number of [511, 512, 2 ** 32 - 1, 0x40000000]) {
    const frame = new Uint8Array(80);
    new Uint32Array(frame.buffer).set([80, 0, 0, 0, number]);
    const answer = new DataView((await agent.call(frame)).buffer);
    assert.equal(Number(answer.getBigInt64(24, true)), ENOSYS, `${number}`);
  }
  assert(isRunning(pid));
});

keeperTest("the policy counts for agents as well, and they count what they do", async () => {
  const board = boardWith({ mkdirat: { action: "deny", errno: "EROFS" }, statfs: { action: "handle" }, access: { action: "allow" } });
  await using session = await Session.open({}, board);
  const { agent, keeper } = session;
  assert.equal((await callBy(agent, "mkdirat", [currentDirectory, 0, 0o777], [, "x"])).value, -30);
  assert.equal((await callBy(agent, "statfs", [], ["/"])).value, ENOSYS);
  assert.equal((await callBy(agent, "openat", [currentDirectory, 0, 0, 0], [, "/"])).value, 3);
  assert.equal((await callBy(agent, "openat", [currentDirectory, 0, 0, 0], [, "/none"])).value, ENOENT);
  await until("all of it is counted", () => keeper.counters.openat?.calls === 2);
  const { mkdirat, statfs, openat } = keeper.counters;
  assert.deepEqual([mkdirat.calls, mkdirat.denied, mkdirat.forwarded], [1, 1, 0]);
  assert.deepEqual([statfs.calls, statfs.returned, statfs.forwarded], [1, 1, 0]);
  assert.deepEqual([openat.calls, openat.forwarded, openat.failed], [2, 2, 1]);
});

keeperTest("a policy that changes counts for the next call", async () => {
  await using session = await Session.open();
  const { agent, keeper } = session;
  assert.equal((await callBy(agent, "getuid")).value, nobody);
  const at = 4096 + 512 * 32 + numberOf("getuid") * 4;
  using file = Deno.openSync(`${keeper.directory}/board`, { write: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(new Uint32Array([2 | 13 << 16]).buffer));
  assert.equal((await callBy(agent, "getuid")).value, EACCES);
});

/** A frame for `openat` with this behind its header. */
function openatFrame(...blocks: (Uint8Array | number)[]): Uint8Array<ArrayBuffer> {
  const parts = blocks.map((block) => typeof block === "number" ? new Uint8Array(new Uint32Array([block]).buffer) : block);
  const frame = new Uint8Array(80 + parts.reduce((sum, { length }) => sum + length, 0));
  const view = new DataView(frame.buffer);
  view.setUint32(0, frame.length, true);
  view.setUint32(16, numberOf("openat"), true);
  view.setBigInt64(32, BigInt(currentDirectory), true);
  let at = 80;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

keeperTest("an agent refuses data that is not as the call says, and goes on", async () => {
  await using session = await Session.open();
  const { agent } = session;
  const path = new TextEncoder().encode("/etc/passwd");
  const valueOf = async (frame: Uint8Array<ArrayBuffer>) => Number(new DataView((await agent.call(frame)).buffer).getBigInt64(24, true));
  assert.equal(await valueOf(openatFrame()), EINVAL);
  assert.equal(await valueOf(openatFrame(path.subarray(0, 3))), EINVAL);
  assert.equal(await valueOf(openatFrame(12, path)), EINVAL);
  assert.equal(await valueOf(openatFrame(10, path)), EINVAL);
  assert.equal(await valueOf(openatFrame(2 ** 32 - 2, path)), EINVAL);
  assert.equal(await valueOf(openatFrame(11, path, 0)), EINVAL);
  assert.equal(await valueOf(openatFrame(4, new Uint8Array([47, 0, 47, 47]))), EINVAL);
  assert.equal(await valueOf(openatFrame(2 ** 32 - 1)), -14);
  assert.equal(await valueOf(openatFrame(11, path)), 3);
  // A structure has the size that it has.
  assert.equal((await callBy(agent, "utimensat", [currentDirectory, 0, 0, 0], [, "/", new Uint8Array(31)])).value, EINVAL);
  assert.equal((await callBy(agent, "utimensat", [currentDirectory, 0, 0, 0], [, "/", new Uint8Array(32)])).value, EPERM);
});

keeperTest("an agent survives any frame whose size is true", async () => {
  await using session = await Session.open();
  const { agent, pid } = session;
  const names = ["openat", "read", "getcwd", "statx", "setxattr", "readlinkat", "utimensat", "openat2", "close", "dup", "symlinkat"];
  const word = fc.oneof(fc.nat(8), fc.constantFrom(2 ** 32 - 1, 2 ** 31, 2 ** 20, 1024), fc.nat(2 ** 32 - 1));
  const frames = fc.record({
    number: fc.oneof(fc.constantFrom(...names.map(numberOf)), word),
    words: fc.array(word, { minLength: 12, maxLength: 12 }),
    data: fc.array(fc.oneof(word, fc.constantFrom(0, 1, 4, 8)), { maxLength: 24 }),
  });
  await fc.assert(
    fc.asyncProperty(frames, async ({ number, words, data }) => {
      // Reading standard input and closing it is harmless: it is /dev/null.
      const frame = new Uint8Array(new Uint32Array([80 + 4 * data.length, 7, 1, 2, number, 0, 0, 0, ...words, ...data]).buffer);
      const answer = new Uint32Array((await agent.call(frame)).buffer.slice(0, 20));
      assert.deepEqual([...answer.slice(1, 5)], [7, 1, 2, 0]);
    }),
    { numRuns: 1000 },
  );
  assert(isRunning(pid));
  assert.equal((await callBy(agent, "getuid")).value, nobody);
});

keeperTest("Agent.call() refuses a frame that is not as large as it says, and one that is too large", async () => {
  await using session = await Session.open();
  const { agent } = session;
  for (const frame of [new Uint8Array(0), new Uint8Array(79).fill(79, 0, 1), openatFrame().fill(81, 0, 1), new Uint8Array(2 ** 20 + 1)]) {
    await assert.rejects(agent.call(frame), { name: "SysError", code: "EMSGSIZE" });
  }
  assert.equal((await callBy(agent, "getuid")).value, nobody);
});

keeperTest("an agent that gets a frame of no possible size ends, and one whose frame is cut off", async () => {
  await using session = await Session.open();
  for (const size of [0, 79, 2 ** 20 + 1, 2 ** 32 - 1, 81]) {
    const raw = new net.Socket({ fd: await controlKeeper(session.keeper.directory, "peer", session.connectionFd) });
    const pid = session.keeper.children.at(-1)!;
    // The keeper may end it before it has read what is cut off: a reset for us.
    const closed = new Promise((resolve) => raw.on("error", () => {}).resume().once("close", resolve));
    raw.write(new Uint8Array(new Uint32Array([size, ...Array(19).fill(0)]).buffer));
    if (size === 81) raw.end();
    await closed;
    await until("it ends", () => !isRunning(pid));
  }
  assert.equal((await callBy(session.agent, "getuid")).value, nobody);
});

keeperTest("a call that blocks is waited for, the next ones wait for it, and the agent's end ends them all", async () => {
  const cwd = openDirectory("peer-fifo");
  await using session = await Session.open({ cwd });
  const { agent, pid } = session;
  assert.equal((await callBy(agent, "mknodat", [currentDirectory, 0, 0o10666, 0], [, "fifo"])).value, 0);
  const opened = callBy(agent, "openat", [currentDirectory, 0, 0, 0], [, "fifo"]);
  const next = callBy(agent, "getuid");
  await new Promise((resolve) => setTimeout(resolve, 20));
  using _writer = Deno.openSync(`${cwd}/fifo`, { read: true, write: true });
  const fd = (await opened).value;
  assert.equal(fd, 3);
  assert.equal((await next).value, nobody);
  const ends = [callBy(agent, "read", [fd, 0, 10]), callBy(agent, "getuid")].map((call) => assert.rejects(call, { code: "EPIPE" }));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert(isRunning(pid));
  agent[Symbol.dispose]();
  await Promise.all(ends);
  await until("the agent ends in the middle of its call", () => !isRunning(pid));
  await assert.rejects(callBy(agent, "getuid"), { code: "EPIPE" });
});

keeperTest("an agent ends when nobody has its other end, and says so when it was killed", async () => {
  await using session = await Session.open();
  const { keeper, connectionFd } = session;
  const second = await Agent.start(keeper.directory, connectionFd);
  const pid = keeper.children.at(-1)!;
  second[Symbol.dispose]();
  second[Symbol.dispose]();
  await until("it ends", () => !isRunning(pid));
  using third = await Agent.start(keeper.directory, connectionFd);
  Deno.kill(keeper.children.at(-1)!, "SIGKILL");
  await assert.rejects(callBy(third, "getuid"), { code: "EPIPE" });
  assert.equal((await callBy(session.agent, "getuid")).value, nobody);
});

keeperTest("an agent of root has root's capabilities, as far as its peer has them", async () => {
  const cwd = openDirectory("root-home");
  Deno.writeTextFileSync(`${cwd}/of-nobody`, "");
  Deno.chownSync(`${cwd}/of-nobody`, nobody, nobody);
  Deno.chmodSync(`${cwd}/of-nobody`, 0);
  for (const prefix of [undefined, ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]]) {
    const board = boardWith();
    await using keeper = await TestKeeper.start({ board });
    await using socket = await PeerSocket.open();
    // Without a capability it cannot become anybody, nor has to.
    await using connected = prefix === undefined
      ? Client.peer(socket.path, { uid: 0, gid: 0, cwd })
      : new Client(["dial", socket.path], prefix);
    assert.match(await connected.line(), /^connected/);
    using agent = await Agent.start(keeper.directory, await socket.accept());
    const { value } = await callBy(agent, "openat", [currentDirectory, 0, 0, 0], [, `${cwd}/of-nobody`]);
    assert.equal(value, prefix === undefined ? 3 : EACCES);
    const pid = keeper.children.at(-1)!;
    assert.equal(BigInt(`0x${statusOf(pid, "CapEff")}`) !== 0n, prefix === undefined);
    assert.equal(statusOf(pid, "CapEff"), statusOf(connected.pid, "CapEff"));
  }
});

/** Opens a keeper and a connected peer, does something to the peer, and asks for an agent. */
async function refusalAfter(
  spoil: (peer: Client) => Promise<unknown>,
  options?: Parameters<typeof Client.peer>[1],
): Promise<void> {
  await using keeper = await TestKeeper.start();
  await using socket = await PeerSocket.open();
  await using peer = Client.peer(socket.path, options);
  assert.match(await peer.line(), /^connected/);
  const fd = await socket.accept();
  assert.equal(peerOf(fd).uid, options?.uid ?? nobody);
  await spoil(peer);
  const before = keeper.fdCount;
  await assert.rejects(Agent.start(keeper.directory, fd), { name: "SysError", code: "EPERM" });
  await until("nothing of it is left", () => keeper.children.length === 1 && keeper.fdCount <= before);
}

keeperTest("a peer that ended has no agent", () => refusalAfter((peer) => peer[Symbol.asyncDispose]()));

keeperTest("a peer that left its connection to a child has no agent", () =>
  refusalAfter(async (peer) => {
    await peer.tell("orphan");
    await until("it ends", () => !isRunning(peer.pid));
  }));

keeperTest("a peer that executed a setuid program has no agent: it would be one of another user", async () => {
  const path = `${scratch}/setuid-client`;
  Deno.copyFileSync(clientProgram(), path);
  Deno.chmodSync(path, 0o4755);
  await refusalAfter(async (peer) => assert.equal(await peer.tell(`exec ${path}`), "waiting 0"));
});

keeperTest("a peer that executed a setgid program has no agent", async () => {
  const path = `${scratch}/setgid-client`;
  Deno.copyFileSync(clientProgram(), path);
  Deno.chmodSync(path, 0o2755);
  await refusalAfter(async (peer) => assert.equal(await peer.tell(`exec ${path}`), `waiting ${nobody}`));
});

keeperTest("a peer that executed an ordinary program has one", async () => {
  await using keeper = await TestKeeper.start();
  await using socket = await PeerSocket.open();
  await using peer = Client.peer(socket.path);
  await peer.line();
  assert.equal(await peer.tell(`exec ${clientProgram()}`), `waiting ${nobody}`);
  using agent = await Agent.start(keeper.directory, await socket.accept());
  assert.equal((await callBy(agent, "getuid")).value, nobody);
});

keeperTest("a peer whose memory is guarded has no agent", () => refusalAfter(async () => {}, { isGuarded: true }));

const cannotUnshare = !(await new Deno.Command("unshare", { args: ["--map-root-user", "true"], stderr: "null" }).output().then(
  ({ success }) => success,
  () => false,
));

for (const space of ["--mount", "--user", "--net"]) {
  Deno.test({
    name: `a peer in another place has no agent: unshare ${space}${cannotUnshare ? " [needs root and unshare]" : keepNote}`,
    ignore: cannotUnshare || cannotKeep !== null,
    fn: async () => {
      await using keeper = await TestKeeper.start();
      await using socket = await PeerSocket.open();
      await using peer = new Client(["dial", socket.path], ["unshare", "--map-root-user", space]);
      assert.match(await peer.line(), /^connected/);
      const fd = await socket.accept();
      assert.equal(peerOf(fd).uid, 0);
      await assert.rejects(Agent.start(keeper.directory, fd), { name: "SysError", code: "EPERM" });
    },
  });
}

keeperTest("PEER refuses what is no connection that was accepted from a peer", async () => {
  await using keeper = await TestKeeper.start();
  await using socket = await PeerSocket.open();
  using _file = Deno.openSync(`${scratch}/keeper_client.c`, { create: true, write: true });
  await assert.rejects(Agent.start(keeper.directory, descriptorOf(`${scratch}/keeper_client.c`)), { code: "EINVAL" });
  await assert.rejects(Agent.start(keeper.directory, -1), { code: "EINVAL" });
  // It has credentials as well: those of the one who listens.
  await assert.rejects(Agent.start(keeper.directory, socket.listenFd), { code: "EINVAL" });
  assert.equal(keeper.children.length, 1);
});

keeperTest("there are 256 agents at once, and no trace of them afterwards", async () => {
  await using session = await Session.open();
  const { keeper, connectionFd } = session;
  const before = keeper.fdCount;
  const agents: Agent[] = [];
  for (let i = 1; i < 256; i++) agents.push(await Agent.start(keeper.directory, connectionFd));
  await assert.rejects(Agent.start(keeper.directory, connectionFd), { code: "ENOSPC" });
  assert.equal((await callBy(agents[254], "getuid")).value, nobody);
  for (const agent of agents) agent[Symbol.dispose]();
  await until("they end", () => keeper.children.length === 2 && keeper.fdCount <= before);
  assert.equal((await callBy(session.agent, "getuid")).value, nobody);
});
