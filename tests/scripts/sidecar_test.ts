import assert from "node:assert/strict";
import { libraryPath } from "../../ffi/library.ts";
import { HttpConnection } from "../../lib/sidecar/http_connection.ts";
import { type ClientCall, SyscallClient, SyscallError } from "../../lib/sidecar/client.ts";
import { bodyBytesMax, connectionsMax } from "../../lib/sidecar/limits.ts";
import { openApiDocument, schemas } from "../../lib/sidecar/openapi.ts";
import { paths } from "../../lib/sidecar/app.ts";
import { callNamed } from "../../lib/syscall/table.ts";
import { hostArchitecture } from "../../lib/syscall/arch.ts";
import { childrenOf, isRunning, nobody } from "../ffi/keepers.ts";
import { until } from "../ffi/host.ts";
import { newPath, RealSidecar, runAs, sidecarTest } from "../lib/sidecar/real.ts";
import { forwardTest, missing, Workplace } from "./forward/host.ts";

const noCurl = missing("curl");
const stranger = 1234;

function client(sidecar: RealSidecar): Promise<SyscallClient> {
  return SyscallClient.connect(sidecar.socket);
}

/** What curl says, as somebody, of one or more requests on one connection. */
async function curl(sidecar: RealSidecar, uid: number, ...args: string[]): Promise<string> {
  const { out } = await runAs(uid, ["curl", "-sS", "--unix-socket", sidecar.socket, ...args]);
  return out;
}

interface Answered {
  readonly status: number;
  readonly type: string;
  // deno-lint-ignore no-explicit-any
  readonly body: any;
}

async function ask(
  sidecar: RealSidecar,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answered> {
  using http = new HttpConnection(await Deno.connect({ transport: "unix", path: sidecar.socket }));
  const head = await http.request(method, path, body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
  const text = await http.text(head);
  const type = head.headers.get("content-type") ?? "";
  return { status: head.status, type, body: type.includes("json") ? JSON.parse(text) : text };
}

function file(text: string, mode = 0o644): string {
  const path = newPath("file");
  Deno.writeTextFileSync(path, text);
  Deno.chmodSync(path, mode);
  return path;
}

const open = (path: string, flags = "O_RDONLY", as?: string): ClientCall => ({
  call: "openat",
  args: ["AT_FDCWD", path, flags, 0o600],
  as,
});

// --- a container ----------------------------------------------------------------------------------------------------------------

forwardTest("a program in a container finds its sidecar, and makes calls with the rights of its user", noCurl, async (state) => {
  using work = new Workplace();
  const secret = work.file("secret", "hidden", 0o600), open = work.file("open", "shown");
  // As /run/nodeos is: users pass through.
  Deno.chmodSync(state.directory, 0o711);
  await state.up("sim", { syscalls: { profile: "cnk", user: `${nobody}:${nobody}` } });
  const body = JSON.stringify({
    encoding: "text",
    stopOnError: false,
    calls: [
      { call: "getuid" },
      { call: "openat", args: ["AT_FDCWD", secret, "O_RDONLY"] },
      { call: "openat", args: ["AT_FDCWD", open, "O_RDONLY"], as: "f" },
      { call: "read", args: ["$f", 100] },
    ],
  });
  const script = `curl -sS --unix-socket $NODEOS_SIDECAR http://nodeos/v1/syscalls -d '${body}'`;
  const { code, stdout, stderr } = await state.nodeos(["exec", "--user", `${nobody}:${nobody}`, "sim", "--", "sh", "-c", script]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), {
    results: [
      { value: nobody },
      { errno: "EACCES", number: 13, message: "Permission denied" },
      { value: 3 },
      { value: 5, out: { data: { text: "shown" } } },
    ],
    failed: 1,
  });
  assert.equal(state.board("sim").sidecarStarts, 1);
});

// --- rights ------------------------------------------------------------------------------------------------------------------------

sidecarTest("calls are made with the rights of whoever connects, and a stranger cannot connect", async () => {
  await using sidecar = await RealSidecar.start();
  const secret = file("hidden", 0o600);
  const body = JSON.stringify({
    calls: [{ call: "getuid" }, { call: "getgid" }, { call: "openat", args: ["AT_FDCWD", secret, "O_RDONLY"] }],
  });
  const request = ["http://nodeos/v1/syscalls", "-d", body];
  const denied = { errno: "EACCES", number: 13, message: "Permission denied" };
  assert.deepEqual(JSON.parse(await curl(sidecar, nobody, ...request)).results, [{ value: nobody }, { value: nobody }, denied]);
  assert.deepEqual(JSON.parse(await curl(sidecar, 0, ...request)).results, [{ value: 0 }, { value: 0 }, { value: 3 }]);
  assert.match(await curl(sidecar, stranger, ...request), /Failed to connect|Couldn't connect/);
  // The log is root's, and none of their words are in it.
  assert.doesNotMatch(sidecar.log, new RegExp(secret));
}, noCurl);

sidecarTest("what a connection opens stays open for its requests, is nobody else's, and ends with it", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  using other = await client(sidecar);
  {
    using first = await client(sidecar);
    const { value: fd } = await first.call("openat", "AT_FDCWD", file("read me"), "O_RDONLY", 0);
    const { out } = await first.call("pread64", fd, 4, 5);
    assert.equal(new TextDecoder().decode(out.data.bytes), "me");
    await assert.rejects(other.call("fstat", fd), { code: "EBADF" });
    // The agents' own descriptors, and the sidecar's, are none of theirs.
    for (const guess of [3, 4, 1024, 1025]) await assert.rejects(other.call("fstat", guess), { code: "EBADF" });
    assert.equal((await first.call("getpid")).value === (await other.call("getpid")).value, false);
  }
  const { keeperPid, forwarderPid, sidecarPid } = sidecar.state;
  await until("one agent is left", () => childrenOf(keeperPid!).filter((pid) => pid !== forwarderPid && pid !== sidecarPid).length === 1);
});

// --- batches ---------------------------------------------------------------------------------------------------------------------

sidecarTest("a batch refers to earlier results, stops at the first failure or goes on, and decodes structures", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  using it = await client(sidecar);
  const path = newPath("written");
  const results = await it.batch([
    open(path, "O_RDWR|O_CREAT|O_EXCL", "f"),
    { call: "write", args: { fd: "$f", data: "twelve bytes" }, as: "n" },
    { call: "ftruncate", args: ["$f", "$n"] },
    { call: "fstat", args: ["$f"] },
    { call: "pread64", args: ["$f", "$n", 7] },
    { call: "close", args: ["$f"] },
  ]);
  assert.deepEqual(results.map(({ value }) => value), [3, 12, 0, 0, 5, 0]);
  assert.equal((results[3].out.status.decoded as { size: number }).size, 12);
  assert.deepEqual(results[4].out.data.bytes, new TextEncoder().encode("bytes"));

  const calls = [open("/nonexistent", "O_RDONLY", "g"), { call: "fstat", args: ["$g"] }, { call: "getuid" }];
  await assert.rejects(it.batch(calls), (error) => error instanceof SyscallError && error.code === "ENOENT" && error.index === 0);
  const [missing, dependent, alone] = await it.tryBatch(calls);
  assert.deepEqual([missing, dependent].map((error) => (error as SyscallError).code), ["ENOENT", "ECANCELED"]);
  assert.deepEqual(alone, { value: 0, out: {} });
});

sidecarTest("a thousand calls are one request, and larger requests are refused before any call is made", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  using it = await client(sidecar);
  const calls = Array.from({ length: 1000 }, () => ({ call: "getuid" }));
  assert.deepEqual((await it.batch(calls)).map(({ value }) => value), calls.map(() => 0));
  const path = newPath("never");
  const tooMany = [open(path, "O_CREAT|O_WRONLY"), ...calls];
  assert.equal((await ask(sidecar, "POST", "/v1/syscalls", { calls: tooMany })).status, 413);
  const tooLarge = { calls: [open(path, "O_CREAT|O_WRONLY"), { call: "write", args: [1, "a".repeat(bodyBytesMax)] }] };
  assert.equal((await ask(sidecar, "POST", "/v1/syscalls", tooLarge)).status, 413);
  const wrong = { calls: [open(path, "O_CREAT|O_WRONLY"), { call: "getuid", args: [1] }] };
  const { status, type, body } = await ask(sidecar, "POST", "/v1/syscalls", wrong);
  assert.deepEqual([status, type], [400, "application/problem+json"]);
  assert.equal(body.detail, "Cannot make call 1: getuid: 1 arguments are given, and it has 0");
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
});

// --- policy, counters, events, metrics -------------------------------------------------------------------------------------------

sidecarTest("a change of the policy holds for running programs at once, and events tell of it and of first refusals", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  using it = await client(sidecar);
  const events = it.events();
  const next = async () => (await events.next()).value!;
  const path = newPath("made");
  assert.equal((await sidecar.run(["mkdir", path])).code, 0);
  assert.deepEqual(await it.setPolicy({ mkdir: "deny:EXDEV", mkdirat: "deny:EXDEV" }), {
    changed: [{ call: "mkdir", from: "forward", to: "deny:EXDEV" }, { call: "mkdirat", from: "forward", to: "deny:EXDEV" }],
    fixed: [],
  });
  const change = await next();
  assert.equal(change.type, "policy");
  assert.match((await sidecar.run(["mkdir", `${path}/2`])).out, /cross-device/i);
  const { type, data, id } = await next();
  assert.equal(type, "refusal");
  const { call, command, errno } = data as { call: string; command: string; errno: string };
  assert.deepEqual([call, command, errno], ["mkdir", "mkdir", "EXDEV"]);
  const policy = await it.policy();
  assert.deepEqual(policy.calls["deny:EXDEV"], ["mkdir", "mkdirat"]);
  assert.ok(policy.switchable.includes("mkdir"));
  await it.setPolicy({ mkdir: "forward" });
  assert.equal((await sidecar.run(["mkdir", `${path}/2`])).code, 0);
  await events.return(undefined);
  // Who comes back gets what came since.
  for await (const event of it.events(id)) {
    assert.deepEqual(event.data, { ...event.data, changed: [{ call: "mkdir", from: "deny:EXDEV", to: "forward" }] });
    break;
  }
  const { mkdir } = await it.counters();
  assert.equal(mkdir.denied, 1);
  assert.equal(mkdir.forwarded, 2);
  assert.equal(mkdir.buckets.reduce((sum, count) => sum + count, 0), mkdir.calls);
});

sidecarTest("a policy that cannot be is refused with the reason, and nothing of it holds", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  const cases: [unknown, number, RegExp][] = [
    [{ openat: "allow", futex: "deny:EPERM" }, 409, /Cannot deny futex: /],
    [{ openat: "allow", opennat: "allow" }, 409, /did you mean "openat"/],
    [{ openat: "alow" }, 409, /did you mean "allow"/],
    [{ openat: 1 }, 400, /its action is no text/],
    [{ "a b": "allow" }, 400, /neither a call nor a group/],
    [[], 400, /no object/],
    ["{", 400, /no JSON/],
    [Object.fromEntries(Array.from({ length: 601 }, (_, index) => [`call${index}`, "allow"])), 413, /the most is 600/],
  ];
  const before = (await ask(sidecar, "GET", "/v1/policy")).body;
  for (const [body, expected, detail] of cases) {
    const { status, body: problem } = await ask(sidecar, "PATCH", "/v1/policy", body);
    assert.equal(status, expected, JSON.stringify(body).slice(0, 100));
    assert.match(problem.detail, detail);
    schemas.Problem.parse(problem);
  }
  assert.deepEqual((await ask(sidecar, "GET", "/v1/policy")).body, before);
});

sidecarTest("every answer is what the OpenAPI document says, and the document has every route", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  await sidecar.run(["cat", file("read me")]);
  const post = { calls: [open("/nonexistent"), { call: "uname" }], stopOnError: false };
  schemas.Batch.parse(post);
  schemas.BatchAnswer.parse((await ask(sidecar, "POST", "/v1/syscalls", post)).body);
  schemas.Policy.parse((await ask(sidecar, "GET", "/v1/policy")).body);
  schemas.PolicyReport.parse((await ask(sidecar, "PATCH", "/v1/policy", { "@path": "forward" })).body);
  schemas.Calls.parse((await ask(sidecar, "GET", "/v1/calls")).body);
  for (const name of ["openat", "getuid", "futex"]) schemas.Call.parse((await ask(sidecar, "GET", `/v1/calls/${name}`)).body);
  schemas.Health.parse((await ask(sidecar, "GET", "/healthz")).body);
  for (const [method, path] of [["GET", "/nowhere"], ["DELETE", "/v1/policy"], ["GET", "/v1/calls/opennat"], ["POST", "/v1/syscalls"]]) {
    const { status, type, body } = await ask(sidecar, method, path, method === "POST" ? "no json" : undefined);
    assert.equal(type, "application/problem+json");
    assert.equal(schemas.Problem.parse(body).status, status);
  }
  const { body: document } = await ask(sidecar, "GET", "/v1/openapi.json");
  assert.deepEqual(document, JSON.parse(JSON.stringify(openApiDocument())));
  const documented = Object.entries(document.paths as Record<string, object>).map(([path, methods]) => [
    path.replace(/\{(\w+)\}/, ":$1"),
    Object.keys(methods).map((method) => method.toUpperCase()).sort(),
  ]);
  assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(Object.entries(paths).map(([path, all]) => [path, all.toSorted()])));
});

sidecarTest("metrics are what Prometheus reads, and the page shows the same counters", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  await sidecar.run(["cat", file("read me")]);
  const { type, body } = await ask(sidecar, "GET", "/metrics");
  assert.match(type, /^text\/plain; version=0\.0\.4/);
  const sample = /^([a-z_]+)(?:\{([a-z]+="[^"]*",?)+\})? (\S+)$/;
  const types = new Map<string, string>();
  for (const line of (body as string).trimEnd().split("\n")) {
    const [, family, kind] = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (family !== undefined) types.set(family, kind);
    if (line.startsWith("#")) continue;
    const [, name, , value] = sample.exec(line) ?? assert.fail(line);
    assert.ok(types.has(name.replace(/_(?:bucket|sum|count)$/, "")) || types.has(name), line);
    assert.ok(Number.isFinite(Number(value)), line);
  }
  const { openat } = sidecar.counters;
  assert.match(body, new RegExp(`^nodeos_syscalls_total\\{container="sim",call="openat",action="forwarded"\\} ${openat.forwarded}$`, "m"));
  assert.match(body, new RegExp(`^nodeos_syscall_seconds_count\\{container="sim",call="openat"\\} ${openat.calls}$`, "m"));
  const page = (await ask(sidecar, "GET", "/")).body as string;
  assert.match(page, /<h1>System calls of container sim<\/h1>/);
  assert.match(page, new RegExp(`v1/calls/openat">openat</a><td>inject<td class=n>${openat.calls}<`));
});

// --- forged HTTP ---------------------------------------------------------------------------------------------------------------------

/** Sends bytes as they are, and gives all that comes back until the sidecar closes, or as much as was expected has come, or nothing comes. */
async function raw(sidecar: RealSidecar, parts: readonly (string | Uint8Array)[], isWhole = (_text: string) => false): Promise<string> {
  const connection = await Deno.connect({ transport: "unix", path: sidecar.socket });
  const bytes = parts.map((part) => typeof part === "string" ? new TextEncoder().encode(part) : part);
  for (const part of bytes) {
    for (let sent = 0; sent < part.length;) sent += await connection.write(part.subarray(sent)).catch(() => part.length);
  }
  const silence = setTimeout(() => connection.close(), silenceMs);
  const buffer = new Uint8Array(65536);
  let text = "";
  while (!isWhole(text)) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  clearTimeout(silence);
  try {
    connection.close();
  } catch {
    // It was silent.
  }
  return text;
}

const silenceMs = 500;

sidecarTest("a forged request makes no call, and the sidecar goes on", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  const directory = newPath("never");
  Deno.mkdirSync(directory);
  // All names have one length.
  const placeholder = `${directory}/NN`;
  const body = JSON.stringify({ calls: [open(placeholder, "O_CREAT|O_WRONLY")] });
  const length = `content-length: ${body.length}\r\n`;
  const line = "POST /v1/syscalls HTTP/1.1\r\n", host = "host: nodeos\r\n";
  const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const forged: [name: string, request: string][] = [
    ["two lengths", `${line}${host}${length}content-length: 5\r\n\r\n${body}`],
    ["two equal lengths", `${line}${host}${length}${length}\r\n${body}`],
    ["length and chunks", `${line}${host}${length}transfer-encoding: chunked\r\n\r\n${chunked}`],
    ["two encodings", `${line}${host}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n${chunked}`],
    ["an unknown encoding", `${line}${host}transfer-encoding: xchunked\r\n\r\n${chunked}`],
    ["two hosts", `${line}${host}host: other\r\n${length}\r\n${body}`],
    ["no host", `${line}${length}\r\n${body}`],
    ["a negative length", `${line}${host}content-length: -5\r\n\r\n${body}`],
    ["a length with a sign", `${line}${host}content-length: +${body.length}\r\n\r\n${body}`],
    ["a length in hexadecimal", `${line}${host}content-length: 0x${body.length.toString(16)}\r\n\r\n${body}`],
    ["a list of lengths", `${line}${host}content-length: ${body.length}, ${body.length}\r\n\r\n${body}`],
    ["a huge length", `${line}${host}content-length: 99999999999999999999\r\n\r\n${body}`],
    ["a length that never comes", `${line}${host}content-length: ${body.length + 1}\r\n\r\n${body}`],
    ["a space before the colon", `${line}${host}content-length : ${body.length}\r\n\r\n${body}`],
    ["a folded header", `${line}${host}x: a\r\n b\r\n${length}\r\n${body}`],
    ["a NUL in a header", `${line}${host}x: a\0b\r\n${length}\r\n${body}`],
    ["a huge header", `${line}${host}x: ${"a".repeat(20000)}\r\n${length}\r\n${body}`],
    ["many headers", `${line}${host}${"x: a\r\n".repeat(5000)}${length}\r\n${body}`],
    ["another method", `PUT /v1/syscalls HTTP/1.1\r\n${host}${length}\r\n${body}`],
    ["another path", `POST /v1/syscalls/../syscalls/x HTTP/1.1\r\n${host}${length}\r\n${body}`],
    ["a path with another end", `POST /v1/syscalls%00 HTTP/1.1\r\n${host}${length}\r\n${body}`],
    ["an unknown protocol", `POST /v1/syscalls HTTP/9.9\r\n${host}${length}\r\n${body}`],
    ["no protocol", `POST /v1/syscalls\r\n${host}${length}\r\n${body}`],
    ["an upgrade", `${line}${host}connection: upgrade\r\nupgrade: h2c\r\n${length}\r\n{"calls":"${"x".repeat(body.length - 12)}"}`],
    ["a tunnel", `CONNECT nodeos:80 HTTP/1.1\r\n${host}\r\n${line}${host}${length}\r\n${body}`],
    ["bad chunks", `${line}${host}transfer-encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n`],
    ["a chunk without end", `${line}${host}transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}`],
    ["TLS", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ];
  const answers = await Promise.all(
    forged.map(([, request], index) => raw(sidecar, [request.replaceAll("/NN", `/${`${index}`.padStart(2, "0")}`)])),
  );
  const made = [...Deno.readDirSync(directory)].map(({ name }) => forged[Number(name)][0]);
  assert.deepEqual(made, []);
  for (const [index, answer] of answers.entries()) assert.doesNotMatch(answer, /^HTTP\/1\.1 200/, `${forged[index][0]}: ${answer}`);
  const { status, body: answer } = await ask(sidecar, "POST", "/v1/syscalls", { calls: [{ call: "getuid" }] });
  assert.deepEqual([status, answer], [200, { results: [{ value: 0 }] }]);
  assert.equal(sidecar.state.sidecarStarts, 1);
});

sidecarTest("one request in many pieces, many in one piece, and chunks are read as what they are", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  const request = (call: string, more = "") => {
    const body = JSON.stringify({ calls: [{ call }] });
    return `POST /v1/syscalls HTTP/1.1\r\nhost: nodeos\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;
  };
  const values = (text: string) => [...text.matchAll(/"results":\[\{"value":(-?\d+)\}\]/g)].map(([, value]) => Number(value));
  const check = async (count: number, ...parts: string[]) => {
    const text = await raw(sidecar, parts, (text) => values(text).length === count);
    assert.deepEqual(values(text), Array(count).fill(0), text);
  };
  await check(1, ...request("getuid"));
  await check(20, request("getuid").repeat(20));
  await check(2, request("getuid", "x: y\r\n") + request("getuid"));
  await check(
    3,
    request("getuid"),
    request("getuid", "x: y\r\n").slice(0, 50),
    request("getuid", "x: y\r\n").slice(50) + request("getuid"),
  );
  const body = JSON.stringify({ calls: [{ call: "getuid" }] });
  const chunks = [...body].map((letter) => `1\r\n${letter}\r\n`).join("");
  await check(1, `POST /v1/syscalls HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
  const notUtf8 = new Uint8Array([...new TextEncoder().encode('{"calls":"'), 0xff, ...new TextEncoder().encode('"}')]);
  for (const more of ["", "x: y\r\n"]) {
    const head = `POST /v1/syscalls HTTP/1.1\r\nhost: a\r\n${more}content-length: ${notUtf8.length}\r\n\r\n`;
    const text = await raw(sidecar, [head, notUtf8], (text) => text.includes("}"));
    assert.match(text, /^HTTP\/1\.1 400 .*"detail":"Cannot read the request: it is not UTF-8"/s);
  }
});

sidecarTest("more clients than there may be are told so, and those that are connected go on", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  const clients: SyscallClient[] = [];
  try {
    for (let i = 0; i < connectionsMax; i++) clients.push(await client(sidecar));
    // The last is accepted when all are.
    assert.equal((await clients.at(-1)!.call("getuid")).value, 0);
    const { status, body } = await ask(sidecar, "GET", "/healthz");
    assert.deepEqual([status, body.detail], [503, "Cannot serve you: 256 clients are connected"]);
    assert.equal((await clients[0].call("getuid")).value, 0);
  } finally {
    for (const each of clients) each[Symbol.dispose]();
  }
  await until("there is room again", () => childrenOf(sidecar.state.keeperPid!).length <= 2);
  assert.equal((await ask(sidecar, "GET", "/healthz")).status, 200);
});

// --- handlers -----------------------------------------------------------------------------------------------------------------------

function handlersModule(text: string): string {
  const directory = newPath("handlers");
  Deno.mkdirSync(directory);
  Deno.writeTextFileSync(`${directory}/beside.txt`, "beside");
  Deno.writeTextFileSync(`${directory}/handlers.ts`, text);
  return `${directory}/handlers.ts`;
}

const handled = { switches: ["openat=handle"] };

sidecarTest("handlers answer calls, hand out files that exist nowhere, fill buffers, and leave the rest to the forwarder", async () => {
  const handlers = handlersModule(`
    let asked = 0;
    export const handlers = {
      openat({ arguments: { path, flags }, uid, tid }: any): any {
        if (path === "/job/count") return Promise.resolve({ content: \`\${++asked} \${uid} \${flags} \${tid > 0}\\n\` });
        if (path === "/job/large") return { content: new Uint8Array(1_000_000) };
        if (path === "/job/too-large") return { content: new Uint8Array(1 << 20) };
        if (path === "/job/denied") return { errno: "EXDEV" };
        if (path === "/job/nothing") return undefined;
        if (path === "/job/broken") throw new Error("a fault of ours");
        return path.startsWith("/job/") ? "allow" : "forward";
      },
      readlink: ({ arguments: { path } }: any): any => path === "/job/link" ? { value: 6, out: { target: "target" } } : "forward",
    };`);
  await using sidecar = await RealSidecar.start({ switches: ["openat=handle", "readlink=handle"], handlers });
  const cat = (path: string) => sidecar.run(["cat", path], { credentials: { uid: nobody, gid: nobody }, cwd: "/" });
  assert.deepEqual(await cat("/job/count"), { code: 0, signal: 0, out: `1 ${nobody} 0 true\n` });
  assert.equal((await cat("/job/count")).out, `2 ${nobody} 0 true\n`);
  assert.equal((await sidecar.run(["wc", "-c", "/job/large"])).out, "1000000 /job/large\n");
  assert.equal((await sidecar.run(["readlink", "/job/link"])).out, "target\n");
  assert.equal((await cat(file("read me"))).out, "read me");
  assert.match((await cat(file("hidden", 0o600))).out, /Permission denied/);
  assert.match((await cat("/job/denied")).out, /Invalid cross-device link/);
  assert.match((await cat("/job/other")).out, /No such file/);
  for (const path of ["/job/too-large", "/job/nothing", "/job/broken"]) assert.match((await cat(path)).out, /Input\/output error/, path);
  assert.match(sidecar.log, /Cannot handle openat of thread \d+: a fault of ours\n/);
  assert.match(sidecar.log, /Cannot handle openat of thread \d+: its handler returned no result\n/);
  assert.match(sidecar.log, /Cannot answer openat with \d+ bytes: an answer takes 1048576 bytes at most\n/);
  assert.ok(sidecar.counters.openat.handled > 10);
  assert.equal(sidecar.state.handlers, 1);
});

sidecarTest("a handler that hangs delays its own caller only, until its time is over or the caller is killed", async () => {
  const handlers = handlersModule(`
    export const answerMsMax = 400;
    export const handlers = { openat: ({ arguments: { path } }: any): any => path === "/job/hangs" ? new Promise(() => {}) : "forward" };`);
  await using sidecar = await RealSidecar.start({ ...handled, handlers });
  const waiting = sidecar.run(["cat", "/job/hangs"]);
  assert.equal((await sidecar.run(["cat", file("read me")])).out, "read me");
  assert.match((await waiting).out, /Input\/output error/);
  assert.match(sidecar.log, /its handler has not answered in 0.4 s/);
  const killed = await sidecar.run(["timeout", "-s", "KILL", "0.1", "cat", "/job/hangs"]);
  assert.notEqual(killed.code, 0);
  assert.equal((await sidecar.run(["cat", file("and again")])).out, "and again");
});

sidecarTest("a module that is wrong is refused with the reason, and nothing of the container is left", async () => {
  const cases: [text: string, message: RegExp][] = [
    ["export const handlers = { opennat: () => 0 };", /Cannot handle "opennat": \w+ has no such call; did you mean "openat"\?$/],
    ["export const handlers = { openat: 5 };", /Cannot handle openat: its handler is no function$/],
    ["export const other = 1;", /it exports no handlers/],
    ["throw new Error('at once');", /at once$/],
    ["this is no TypeScript", /handlers\.ts/],
    ["export const handlers = {}; export const answerMsMax = 'soon';", /its answerMsMax is no number of milliseconds$/],
  ];
  for (const [text, message] of cases) {
    await assert.rejects(RealSidecar.start({ ...handled, handlers: handlersModule(text) }), (error: Error) => {
      assert.equal(error.name, "RefusedError");
      assert.match(error.message, /^Cannot take over calls by .*handlers\.ts: /);
      assert.match(error.message, message);
      return true;
    });
  }
});

sidecarTest("a call that nobody handles fails with ENOSYS, all but the first at once", async () => {
  await using sidecar = await RealSidecar.start({ ...handled, handlers: handlersModule("export const handlers = {};") });
  const { code, out } = await sidecar.run(["cat", "/etc/hostname"]);
  assert.equal(code, 127);
  assert.match(out, /Error 38/);
  const before = sidecar.counters.openat.calls;
  await Promise.all(Array.from({ length: 10 }, () => sidecar.run(["cat", "/etc/hostname"])));
  assert.ok(sidecar.counters.openat.calls > before + 10);
});

sidecarTest("a module that is not there is refused before anything is started", async () => {
  await assert.rejects(RealSidecar.start({ handlers: "/nonexistent/handlers.ts" }), {
    name: "UsageError",
    message: 'Cannot use the handlers "/nonexistent/handlers.ts": there is no such file',
  });
});

// --- kills ----------------------------------------------------------------------------------------------------------------------------

function kill(sidecar: RealSidecar): number {
  const { sidecarPid } = sidecar.state;
  Deno.kill(sidecarPid!, "SIGKILL");
  return sidecarPid!;
}

sidecarTest("a sidecar that is killed is followed by another one; requests under way fail, and no agent is left", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  using before = await client(sidecar);
  const fifo = newPath("fifo");
  await before.call("mknodat", "AT_FDCWD", fifo, "S_IFIFO|0600", 0);
  const waiting = before.call("openat", "AT_FDCWD", fifo, "O_RDONLY", 0);
  const { keeperPid, forwarderPid } = sidecar.state;
  await until("the agent waits for a writer", () => childrenOf(keeperPid!).length === 3);
  const killed = kill(sidecar);
  await assert.rejects(waiting, /it closed the connection|ECONNRESET|reset by peer/);
  await until("nobody but the forwarder is left", () => childrenOf(keeperPid!).join() === `${forwarderPid}`);
  using after = await client(sidecar);
  assert.equal((await after.call("getuid")).value, 0);
  assert.notEqual(sidecar.state.sidecarPid, killed);
  assert.equal((await sidecar.run(["cat", file("read me")])).out, "read me");
});

sidecarTest("handlers come back by themselves when their sidecar is killed; the call that they had fails with EIO", async () => {
  const handlers = handlersModule(`
    export const handlers = {
      openat: ({ arguments: { path } }: any): any => path === "/job/hangs" ? new Promise(() => {}) : path === "/job/file" ? { content: "made up" } : "forward",
    };`);
  await using sidecar = await RealSidecar.start({ ...handled, handlers });
  assert.equal((await sidecar.run(["cat", "/job/file"])).out, "made up");
  const waiting = sidecar.run(["cat", "/job/hangs"]);
  await until("it waits", () => sidecar.counters.openat !== undefined && sidecar.state.threads > 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const killed = kill(sidecar);
  assert.match((await waiting).out, /Input\/output error/);
  // Nobody connects: the keeper starts the next one, and calls wait for it.
  assert.equal((await sidecar.run(["cat", "/job/file"])).out, "made up");
  assert.notEqual(sidecar.state.sidecarPid, killed);
  assert.equal(isRunning(killed), false);
});

sidecarTest("an agent that is killed ends its connection, with 500 where the sidecar answers, and the next one works", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  const gone = /closed the connection|reset|[Bb]roken pipe/;
  for (const headers of [{}, { "x-other": "not plain" }] as Record<string, string>[]) {
    using http = new HttpConnection(await Deno.connect({ transport: "unix", path: sidecar.socket }));
    const post = async (call: string) => {
      const head = await http.request("POST", "/v1/syscalls", JSON.stringify({ calls: [{ call }] }), headers);
      return { status: head.status, connection: head.headers.get("connection"), body: JSON.parse(await http.text(head)) };
    };
    const { body: { results: [{ value: pid }] } } = await post("getpid");
    Deno.kill(pid, "SIGKILL");
    if ("x-other" in headers) {
      const { status, connection, body } = await post("getuid");
      assert.deepEqual([status, connection], [500, "close"]);
      assert.match(body.detail, /^Cannot execute the calls: their agent ended \(EPIPE\)/);
    }
    await assert.rejects(post("getuid"), gone);
  }
  using it = await client(sidecar);
  assert.equal((await it.call("getuid")).value, 0);
});

// --- what the sidecar itself may do ------------------------------------------------------------------------------------------------

sidecarTest("code in the sidecar can read its module's directory, and nothing else: no file, no connection, no program", async () => {
  const probes: Record<string, string> = {
    beside: 'Deno.readTextFileSync(new URL("beside.txt", import.meta.url))',
    hostname: 'Deno.readTextFileSync("/etc/hostname")',
    shadow: 'Deno.readTextFileSync("/etc/shadow")',
    directory: "[...Deno.readDirSync(Deno.env.get('NODEOS_FORWARD_DIR'))].length",
    filter: "Deno.readTextFileSync(`${Deno.env.get('NODEOS_FORWARD_DIR')}/filter`)",
    log: "Deno.readTextFileSync(`${Deno.env.get('NODEOS_FORWARD_DIR')}/log`)",
    write: "Deno.writeTextFileSync(`${Deno.env.get('NODEOS_FORWARD_DIR')}/policy.json`, '')",
    make: "Deno.writeTextFileSync('/tmp/nodeos-sidecar-made', '')",
    replace: "Deno.removeSync(`${Deno.env.get('NODEOS_FORWARD_DIR')}/filter`)",
    control: "(await Deno.connect({ transport: 'unix', path: `${Deno.env.get('NODEOS_FORWARD_DIR')}/control.sock` })).close()",
    tcp: "(await Deno.connect({ hostname: '127.0.0.1', port: 22 })).close()",
    fetch: "await fetch('http://127.0.0.1/')",
    listen: "Deno.listen({ port: 0 }).close()",
    program: "new Deno.Command('true').outputSync().code",
    home: "Deno.env.get('HOME')",
    library: "Deno.dlopen('libc.so.6', { getpid: { parameters: [], result: 'i32' } }).symbols.getpid()",
    hostname_of: "Deno.hostname()",
    worker: "new Worker('data:text/javascript,Deno.readTextFileSync(\"/etc/hostname\")', { type: 'module', deno: { permissions: 'all' } })",
    imported: "await import('/etc/hostname')",
  };
  const handlers = handlersModule(`
    const probes: Record<string, () => unknown> = {\n${
    Object.entries(probes).map(([name, code]) => `${name}: async () => ${code},`).join("\n")
  }\n};
    export const handlers = {
      async openat({ arguments: { path } }: any): Promise<any> {
        const probe = path.startsWith("/probe/") ? probes[path.slice(7)] : undefined;
        if (probe === undefined) return "forward";
        try {
          return { content: \`done \${await probe()}\` };
        } catch (error: any) {
          return { content: error.name };
        }
      },
    };`);
  await using sidecar = await RealSidecar.start({ ...handled, handlers });
  const results = await sidecar.run(["sh", "-c", Object.keys(probes).map((name) => `echo ${name} $(cat /probe/${name})`).join("; ")]);
  const said = Object.fromEntries(results.out.trimEnd().split("\n").map((line) => [line.split(" ")[0], line.slice(line.indexOf(" ") + 1)]));
  const { beside, worker, ...others } = said;
  assert.equal(beside, "done beside");
  assert.notEqual(worker, undefined);
  assert.deepEqual(
    others,
    Object.fromEntries(Object.keys(others).map((name) => [name, name === "imported" ? others[name] : "NotCapable"])),
  );
  assert.doesNotMatch(others.imported, /done/);
  assert.equal(Object.keys(said).length, Object.keys(probes).length);
});

sidecarTest("native code in the sidecar makes no process, no other socket, and reaches no other process", async () => {
  // The kernel refuses it, whoever asks: our library's permission lets a module call all of the C library.
  const handlers = handlersModule(`
    const i32 = "i32" as const;
    const c = Deno.dlopen(${JSON.stringify(libraryPath())}, {
      fork: { parameters: [], result: i32 }, system: { parameters: ["buffer"], result: i32 }, kill: { parameters: [i32, i32], result: i32 },
      socket: { parameters: [i32, i32, i32], result: i32 }, ptrace: { parameters: [i32, i32, "usize", "usize"], result: "isize" },
      close: { parameters: [i32], result: i32 },
    }).symbols;
    const text = (text: string) => new TextEncoder().encode(text + "\\0");
    const probes: Record<string, () => unknown> = {
      fork: () => c.fork(),
      system: () => c.system(text("true")),
      tcp: () => c.socket(2, 1, 0),
      netlink: () => c.socket(16, 3, 0),
      kill: () => c.kill(${Deno.pid}, 0),
      ptrace: () => c.ptrace(16, ${Deno.pid}, 0n, 0n),
      unix: () => c.close(c.socket(1, 1, 0)),
    };
    export const handlers = {
      openat({ arguments: { path } }: any): any {
        return path.startsWith("/probe/") ? { content: String(probes[path.slice(7)]()) } : "forward";
      },
    };`);
  await using sidecar = await RealSidecar.start({ ...handled, handlers });
  const probe = async (name: string) => (await sidecar.run(["cat", `/probe/${name}`])).out;
  for (const name of ["fork", "tcp", "netlink", "kill", "ptrace"]) assert.equal(await probe(name), "-1", name);
  // The status 127 of a shell that could not be started.
  assert.equal(await probe("system"), `${127 << 8}`);
  assert.equal(await probe("unix"), "0");
});

sidecarTest("the sidecar has no capability, and a name that is in the table is a call of this machine", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  await ask(sidecar, "GET", "/healthz");
  const status = Deno.readTextFileSync(`/proc/${sidecar.state.sidecarPid}/status`);
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) assert.match(status, new RegExp(`^${set}:\t0+$`, "m"));
  assert.match(status, /^NoNewPrivs:\t1$/m);
  const { body } = await ask(sidecar, "GET", "/v1/calls/openat");
  assert.equal(body.number, callNamed("openat")!.numbers[hostArchitecture()!]);
});
