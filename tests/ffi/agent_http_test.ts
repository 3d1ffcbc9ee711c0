import assert from "node:assert/strict";
import fc from "fast-check";
import { Board } from "../../lib/syscall/board.ts";
import { newPath, RealSidecar, sidecarTest } from "../lib/sidecar/real.ts";
import { numberOf } from "./agent_calls.ts";
import { kernel, until } from "./host.ts";
import { childrenOf } from "./keepers.ts";

/** NODEOS_FUZZ=long: twenty times as many requests. */
const runs = Deno.env.get("NODEOS_FUZZ") === "long" ? 10_000 : 500;
const encoder = new TextEncoder(), decoder = new TextDecoder(), latin1 = new TextDecoder("latin1");
const root = { user: { uid: 0, gid: 0 } };

/** An answer, without what differs from one to the next. */
interface Answer {
  readonly status: number;
  readonly body: string;
}

/** For what comes of all connections: copied out before anything else happens. */
const room = new Uint8Array(65536);

/** A connection that says what it is told to, byte for byte. */
class Raw implements Disposable {
  #rest: Uint8Array = new Uint8Array(0);

  private constructor(readonly connection: Deno.Conn) {}

  static async open({ socket }: RealSidecar): Promise<Raw> {
    return new Raw(await Deno.connect({ transport: "unix", path: socket }));
  }

  async send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.connection.write(bytes.subarray(sent));
  }

  /** The next answer, or `null` at the end of the connection. */
  async answer(): Promise<Answer | null> {
    let wanted = 1, headBytes = 0, status = 0;
    for (;;) {
      if (headBytes === 0) {
        const text = latin1.decode(this.#rest.subarray(0, 1000));
        const [head, code, length] = /^HTTP\/1\.1 (\d+)[^]*?\r\ncontent-length: (\d+)[^]*?\r\n\r\n/i.exec(text) ?? [];
        if (head !== undefined) [status, headBytes, wanted] = [Number(code), head.length, head.length + Number(length)];
      }
      if (headBytes > 0 && this.#rest.length >= wanted) {
        const body = decoder.decode(this.#rest.subarray(headBytes, wanted));
        this.#rest = this.#rest.slice(wanted);
        return { status, body };
      }
      const count = await this.connection.read(room).catch(() => null);
      if (count === null) return null;
      const all = new Uint8Array(this.#rest.length + count);
      all.set(this.#rest);
      all.set(room.subarray(0, count), this.#rest.length);
      this.#rest = all;
    }
  }

  async ask(bytes: Uint8Array): Promise<Answer | null> {
    await this.send(bytes);
    return await this.answer();
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}

/** A request for calls; one more header is enough to bring it to the sidecar's ordinary server. */
function requestOf(body: string | Uint8Array, more = ""): Uint8Array {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const head = encoder.encode(`POST /v1/syscalls HTTP/1.1\r\nhost: nodeos\r\n${more}content-length: ${bytes.length}\r\n\r\n`);
  return new Uint8Array([...head, ...bytes]);
}

const notPlain = "x-other: not plain\r\n";

/** Two connections of one client, whose agents stand in directories that look the same: one is asked plainly, one is not. */
class Twins implements Disposable {
  /** A directory that both look at. */
  readonly shared: string = newPath("shared-\u00fc");

  private constructor(readonly plain: Raw, readonly other: Raw) {}

  static async open(sidecar: RealSidecar): Promise<Twins> {
    const twins = new Twins(await Raw.open(sidecar), await Raw.open(sidecar));
    for (const [raw, more] of [[twins.plain, ""], [twins.other, notPlain]] as const) {
      const directory = newPath("twin");
      Deno.mkdirSync(`${directory}/d`, { recursive: true });
      Deno.writeTextFileSync(`${directory}/f`, 'text of "f"\n\t\x01\x7f\\ ünder \u2028 😀');
      Deno.writeFileSync(`${directory}/b`, new Uint8Array([0xff, 0xfe, 0, 1, 2]));
      Deno.symlinkSync("f", `${directory}/l`);
      const { status } = (await raw.ask(requestOf(JSON.stringify({ calls: [{ call: "chdir", args: [directory] }] }), more)))!;
      assert.equal(status, 200);
    }
    await twins.#furnish();
    return twins;
  }

  /** Names and links that are no text, and attributes. */
  async #furnish(): Promise<void> {
    const at = (name: Uint8Array | string) => {
      const bytes = typeof name === "string" ? encoder.encode(name) : name;
      return { base64: new Uint8Array([...encoder.encode(`${this.shared}/`), ...bytes]).toBase64() };
    };
    const broken = new Uint8Array([
      ...[0x61, 0xe2, 0x82, 0x62, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x98, 0x22, 0xf4, 0x90, 0x80, 0x80, 0xff, 0x01, 0xe0, 0x80],
      ...encoder.encode("ü\u2028😀\\"),
      ...[0xf1, 0x80, 0x80],
    ]);
    const link = (name: string, target: Uint8Array | string) => ({
      call: "symlink",
      args: [typeof target === "string" ? target : { base64: target.toBase64() }, at(name)],
    });
    const calls = [
      { call: "mkdir", args: [this.shared, 0o755] },
      ...[broken, "file", "\ufeffbom", 'qu"o\te\n', "😀"].map((name) => ({ call: "mknod", args: [at(name), "S_IFREG|0644", 0] })),
      ...[link("l", "target ü"), link("broken", broken), link("bom", "\ufeff\ufeffx"), link("short", new Uint8Array([0xe2, 0x82]))],
      ...["a", "ü"].map((name) => ({ call: "setxattr", args: [at("file"), `user.${name}`, "value", 0] })),
    ];
    const { body } = (await this.other.ask(requestOf(JSON.stringify({ calls }), notPlain)))!;
    assert.equal(JSON.parse(body).failed, undefined, body);
  }

  /** Asks both for the same; the plain one in two pieces. */
  async compare(body: string | Uint8Array, cut?: number): Promise<Answer> {
    const request = requestOf(body);
    if (cut !== undefined) {
      await this.plain.send(request.subarray(0, cut % request.length));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const plain = await this.plain.ask(cut === undefined ? request : request.subarray(cut % request.length));
    const other = await this.other.ask(requestOf(body, notPlain));
    assert.notEqual(plain, null);
    assert.deepEqual(plain, other, typeof body === "string" ? body : decoder.decode(body));
    return plain!;
  }

  [Symbol.dispose](): void {
    this.plain[Symbol.dispose]();
    this.other[Symbol.dispose]();
  }
}

// --- what is asked ------------------------------------------------------------------------------------------------------------

/** Calls that neither wait nor tell the twins apart. */
const callNames = (
  "getuid getppid openat openat open close read pread64 write pwrite64 lseek mkdirat unlinkat rmdir newfstatat readlinkat readlink umask dup " +
  "ftruncate uname utimensat setxattr getxattr renameat2 access faccessat fsync fallocate pread execve mmap fork nosuch"
).split(" ");
/** Nothing of the machine's: some of these calls remove and change what they are given, with root's rights. */
const paths = ["f", "b", "d", "l", "none", "d/new", "", "ü", "😀", "a\0b", "\ud800", "/none/of/this", "$f"];
const integers = [0, 1, 2, 3, 4, 5, 100, -1, -100, 4096, 0o644, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1.5, 1e300];
const words = [
  ..."O_RDONLY O_RDWR|O_CREAT o_wronly|O_APPEND AT_FDCWD O_DIRECTORY 0644 0o17 0x1fF -5 -0 00 08 0x 0xg 12345678901234567890".split(" "),
  ..."18446744073709551615 18446744073709551616 -9223372036854775808 -9223372036854775809 9007199254740993 1|2|4 | $f $g $ $$ O_RDONLI"
    .split(" "),
  "O_RDWR | O_CREAT",
  " 1",
  "1\t",
  "O_RDONLY\u00a0",
  "",
  "1777777777777777777777",
  "02000000000000000000000",
  "0x0000000000000001",
  "0x00000000000000001",
  `0${"0".repeat(22)}`,
  `0${"0".repeat(23)}`,
  "0o0000000000000000000017",
  "99999999999999999999",
  "-99999999999999999999",
];

const scalar = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<unknown>(...integers.slice(0, 11)) },
  fc.constantFrom<unknown>(...integers),
  { weight: 4, arbitrary: fc.constantFrom<unknown>(...paths) },
  { weight: 3, arbitrary: fc.constantFrom<unknown>(...words) },
  fc.constantFrom<unknown>(null, null, true, false, [], {}, { base64: "ZmZm" }, { base64: "?" }, { words: [1, 2, 3, 4] }, "x".repeat(300)),
  fc.string({ unit: "binary", maxLength: 8 }),
);
/** Base64 as it is written, and with a letter changed; words as of times, and more or fewer of them. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 9 }).map((bytes) => ({ base64: bytes.toBase64() })),
  fc.tuple(fc.uint8Array({ maxLength: 9 }), fc.constantFrom("=", "", " ", "-", "B", "==")).map(([bytes, more]) => ({
    base64: bytes.toBase64().slice(0, -1) + more,
  })),
);
const times = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.nat(99), fc.nat(99)).map(([seconds, ns]) => ({ words: [seconds, ns, seconds, 0x3ffffffe] })) },
  fc.array(fc.constantFrom<unknown>(1, -1, 2 ** 53, 0.5, null, "1"), { maxLength: 5 }).map((words) => ({ words })),
  fc.constantFrom<unknown>(null, { words: [1], base64: "" }, { base64: "AAAA" }, { words: "1" }),
);
/** Calls as they are meant, and now and then with something else in place of a part. */
const fd = fc.constantFrom<unknown>(0, 3, 4, 5, "3", "$f", "$f", "$f");
const usual = fc.oneof(
  fc.record({ call: fc.constantFrom("getuid", "getppid", "getegid") }),
  fc.record({
    call: fc.constant("openat"),
    args: fc.tuple(
      fc.constant("AT_FDCWD"),
      fc.constantFrom("f", "f", "b", "d", "none", "l"),
      fc.constantFrom<unknown>("O_RDWR", "o_rdonly", 0),
    ),
    as: fc.constant("f"),
  }),
  fc.record({ call: fc.constantFrom("read", "close", "fsync", "dup"), args: fc.tuple(fd) }),
  fc.record({ call: fc.constant("pread64"), args: fc.tuple(fd, fc.nat(40), fc.nat(8)) }),
  fc.record({ call: fc.constant("write"), args: fc.tuple(fd, fc.string({ unit: "grapheme", maxLength: 8 })) }),
  fc.record({ call: fc.constant("write"), args: fc.tuple(fd, bytes) }),
  fc.record({ call: fc.constant("utimensat"), args: fc.tuple(fc.constant(-100), fc.constantFrom("f", "none"), times, fc.constant(0)) }),
  fc.record({ call: fc.constant("lseek"), args: fc.tuple(fd, fc.integer(), fc.constantFrom<unknown>("SEEK_SET", "SEEK_END", 1)) }),
  fc.record({ call: fc.constantFrom("mkdir", "rmdir", "unlink", "chdir"), args: fc.tuple(fc.constantFrom("d/new", "none", "ünder")) }),
  fc.record({ call: fc.constant("umask"), args: fc.tuple(fc.constantFrom<unknown>("0o22", 18, "022")) }),
);
const odd = fc.record({
  call: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom<unknown>(...callNames) },
    fc.constantFrom<unknown>(null, 5, "", "getuid\0", "GETUID"),
  ),
  args: fc.oneof(
    { weight: 4, arbitrary: fc.array(scalar, { maxLength: 5 }) },
    fc.constantFrom<unknown>(null, {}, { fd: 3 }, "f", { path: "f", flags: 0 }),
  ),
  as: fc.constantFrom<unknown>("f", "g", "_1", "1f", "", "ä", 5, "n".repeat(64), "n".repeat(65)),
}, { requiredKeys: ["call"] });
const changed = fc.tuple(usual, scalar, fc.nat(5)).map(([call, part, place]) => {
  const { args = [] } = call as { args?: readonly unknown[] };
  return { ...call, args: args.map((argument, index) => index === place % args.length ? part : argument) };
});
const call = fc.oneof({ weight: 16, arbitrary: usual }, { weight: 3, arbitrary: changed }, odd);
const batch = fc.record({
  calls: fc.oneof({ weight: 40, arbitrary: fc.array(call, { maxLength: 5 }) }, fc.constantFrom<unknown>(null, {}, "getuid")),
  stopOnError: fc.oneof({ weight: 20, arbitrary: fc.boolean() }, fc.constantFrom<unknown>(null, 1)),
  encoding: fc.oneof({ weight: 20, arbitrary: fc.constantFrom<unknown>("text", "text", "base64") }, fc.constantFrom<unknown>("hex", null)),
}, { requiredKeys: ["calls"] });

/** The same JSON as somebody else might write it: odd spacing, escapes, keys in another order or twice. */
function written(value: unknown, next: () => number): string {
  const space = () => ["", "", "", " ", "\n", "\t\r\n "][next() % 6];
  const text = (string: string): string =>
    JSON.stringify(string).replace(
      /[a-z$/ü]/g,
      (letter) => next() % 20 === 0 ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}` : letter,
    );
  const write = (value: unknown): string => {
    if (typeof value === "string") return text(value);
    if (Array.isArray(value)) return `[${space()}${value.map(write).join(`${space()},${space()}`)}${space()}]`;
    if (typeof value !== "object" || value === null) return JSON.stringify(value);
    const entries = Object.entries(value);
    if (next() % 8 === 0) entries.reverse();
    if (next() % 60 === 0 && entries.length > 0) entries.push(entries[0]);
    if (next() % 120 === 0) entries.push(["calls", null], ["other", 1]);
    return `{${space()}${entries.map(([key, value]) => `${text(key)}${space()}:${space()}${write(value)}`).join(`,${space()}`)}${space()}}`;
  };
  return space() + write(value) + space();
}

const valid = fc.tuple(batch, fc.infiniteStream(fc.nat(1000))).map(([batch, random]) => {
  const numbers = random[Symbol.iterator]();
  return written(batch, () => numbers.next().value!);
});
/** And with a mistake: cut off, a byte changed, a byte too much. */
const body = fc.tuple(valid, fc.nat(19), fc.nat(10_000), fc.nat(255)).map(([text, kind, place, byte]) => {
  const bytes = encoder.encode(text), at = place % (bytes.length + 1);
  if (kind === 0) return bytes.slice(0, at);
  if (kind === 1) return bytes.map((old, index) => index === at ? byte : old);
  if (kind === 2) return new Uint8Array([...bytes.subarray(0, at), byte, ...bytes.subarray(at)]);
  return bytes;
});

// --- tests ----------------------------------------------------------------------------------------------------------------------

sidecarTest("agent and sidecar answer every request for calls with the same letters", async () => {
  await using sidecar = await RealSidecar.start(root);
  using twins = await Twins.open(sidecar);
  const statuses: Record<number, number> = {};
  await fc.assert(
    fc.asyncProperty(body, fc.option(fc.nat(500), { nil: undefined, freq: 4 }), async (body, cut) => {
      const { status } = await twins.compare(body, cut);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }),
    // What was asked before counts: a shorter request in its place says nothing.
    { numRuns: runs, endOnFailure: true },
  );
  // It compares something: calls that were made, and requests that were refused.
  assert.ok(statuses[200] > runs / 4 && statuses[400] > runs / 8, JSON.stringify(statuses));
});

sidecarTest("agent and sidecar say the same of what is usual", async () => {
  await using sidecar = await RealSidecar.start(root);
  using twins = await Twins.open(sidecar);
  const open = { call: "openat", args: ["AT_FDCWD", "f", "O_RDWR"], as: "f" };
  const asked = [
    { calls: [] },
    { calls: [open, { call: "read", args: ["$f", 100] }, { call: "lseek", args: ["$f", 0, "SEEK_SET"] }], encoding: "text" },
    { calls: [open, { call: "pread64", args: ["$f", 7, 3] }, { call: "close", args: ["$f"] }] },
    { calls: [open, { call: "pread64", args: ["$f", 0, 3] }, { call: "read", args: ["$f"] }] },
    { calls: [{ ...open, args: ["AT_FDCWD", "b", 0] }, { call: "read", args: ["$f", 10] }], encoding: "text" },
    { calls: [{ ...open, args: ["AT_FDCWD", "b", 0] }, { call: "read", args: ["$f", null, 10] }] },
    {
      calls: [open, { call: "write", args: ["$f", "ünder", 3] }, { call: "write", args: ["$f", "all"] }, {
        call: "write",
        args: ["$f", null],
      }],
    },
    { calls: [{ ...open, args: ["AT_FDCWD", "none", 0] }, { call: "fsync", args: ["$f"] }, { call: "getuid" }] },
    { calls: [{ ...open, args: ["AT_FDCWD", "none", 0] }, { call: "fsync", args: ["$f"] }, { call: "getuid" }], stopOnError: false },
    {
      calls: [{ call: "lseek", args: [1, "9223372036854775807", 0] }, { call: "lseek", args: [3, "0x7fffffffffffffff", 0] }],
      stopOnError: false,
    },
    // Both say what they were told.
    ...[...words, ...integers].map((place) => ({
      calls: [open, { call: "lseek", args: ["$f", place, 0] }, { call: "umask", args: [place] }, { call: "umask", args: [18] }, {
        call: "close",
        args: ["$f"],
      }],
      stopOnError: false,
    })),
    { calls: [{ call: "kill", args: [1, 0] }] },
    { calls: ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="].map((base64) => ({ call: "write", args: [1, { base64 }] })) },
    ...["Zh==", "Zm9=", "Zm8", "Zg", "Z", "====", "Zg==Zg==", "Zm\n8=", "Zm8=="].map((base64) => ({
      calls: [{ call: "write", args: [1, { base64 }] }],
    })),
    { calls: [{ call: "openat", args: ["AT_FDCWD", { base64: "Zg==" }, 0] }, { call: "mkdir", args: [{ base64: "/w==" }, 0o700] }] },
    { calls: [{ call: "newfstatat", args: ["AT_FDCWD", "/dev/null", 0] }, { call: "uname" }] },
    ...["text", "base64"].flatMap((encoding) => [
      {
        encoding,
        calls: [{ call: "statx", args: ["AT_FDCWD", "/dev/null", 0, "STATX_BASIC_STATS"] }, { call: "statfs", args: ["/proc"] }],
      },
      {
        encoding,
        calls: [{ call: "openat", args: ["AT_FDCWD", twins.shared, "O_DIRECTORY"], as: "f" }, { call: "getdents64", args: ["$f"] }],
      },
      { encoding, calls: [{ call: "getdents64", args: ["$f"] }] },
      { encoding, calls: [{ call: "openat", args: ["AT_FDCWD", twins.shared, 0], as: "f" }, { call: "getdents64", args: ["$f", 200] }] },
      { encoding, calls: [{ call: "getdents64", args: [9, 30] }, { call: "clock_getres", args: [1] }], stopOnError: false },
      ...["l", "broken", "bom", "short"].map((name) => ({
        encoding,
        calls: [{ call: "readlinkat", args: [-100, `${twins.shared}/${name}`] }],
      })),
      {
        encoding,
        calls: [{ call: "readlink", args: [`${twins.shared}/broken`, 3] }, { call: "readlink", args: [`${twins.shared}/l`, 0] }],
      },
      {
        encoding,
        calls: [{ call: "listxattr", args: [`${twins.shared}/file`] }, { call: "getxattr", args: [`${twins.shared}/file`, "user.ü"] }],
      },
      { encoding, calls: [{ call: "chdir", args: [twins.shared] }, { call: "getcwd" }, { call: "getcwd", args: [3] }, { call: "pipe2" }] },
    ]),
    { calls: [{ call: "getxattr", args: ["f", "user.none"] }, { call: "setxattr", args: ["f", "user.x", "v", 0] }], stopOnError: false },
    { calls: Array.from({ length: 128 }, () => ({ call: "getppid" })) },
    { calls: Array.from({ length: 129 }, () => ({ call: "getppid" })) },
    { calls: Array.from({ length: 60 }, () => ({ call: "read", args: [0] })) },
    ...[170_000, 180_000, 770_000, 1 << 20].flatMap((size) =>
      ["text", "base64"].flatMap((encoding) => [
        {
          encoding,
          calls: [{ call: "openat", args: [-100, "/dev/zero", 0], as: "z" }, { call: "read", args: ["$z", size] }, {
            call: "close",
            args: ["$z"],
          }],
        },
        { encoding, calls: [{ call: "read", args: [0, size] }, { call: "read", args: [0, size] }] },
      ])
    ),
    { calls: [{ call: "write", args: [1, "a".repeat(70_000)] }] },
    { calls: [{ call: "write", args: [1, "a".repeat((1 << 20) - 200)] }] },
    { calls: [{ call: "read", args: [0, 1 << 20] }, { call: "read", args: [0, "0xffffffffffffffff"] }] },
  ];
  for (const batch of asked) await twins.compare(JSON.stringify(batch));
});

sidecarTest("agent and sidecar read the same text out of any bytes", async () => {
  await using sidecar = await RealSidecar.start(root);
  using twins = await Twins.open(sidecar);
  // Mostly what letters are made of.
  const byte = fc.oneof(
    fc.integer({ min: 1, max: 255 }),
    fc.constantFrom(0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xe2, 0xed, 0xef, 0xbb, 0xf0, 0xf4, 0x22, 0x5c, 0x0a),
  );
  const links = fc.array(fc.array(byte, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(links, fc.constantFrom("text", "base64"), async (links, encoding) => {
      const calls = links.flatMap((bytes) => [
        { call: "symlink", args: [{ base64: new Uint8Array(bytes).toBase64() }, "x"] },
        { call: "readlink", args: ["x"] },
        { call: "unlink", args: ["x"] },
      ]);
      const { body } = await twins.compare(JSON.stringify({ encoding, calls }));
      assert.equal(JSON.parse(body).failed, undefined, body);
    }),
    { numRuns: runs / 5, endOnFailure: true },
  );
});

sidecarTest("agent and sidecar know the same of every error, and of values that no number is", async () => {
  await using sidecar = await RealSidecar.start(root);
  using twins = await Twins.open(sidecar);
  using board = Deno.openSync(`${sidecar.directory}/board`, { write: true });
  const names = new Set<string>();
  for (let errno = 1; errno < 140; errno++) {
    board.seekSync(4096 + 512 * 32 + numberOf("getuid") * 4, Deno.SeekMode.Start);
    board.writeSync(new Uint8Array(new Uint32Array([2 | errno << 16]).buffer));
    const { body } = await twins.compare('{"calls":[{"call":"getuid"}]}');
    names.add(JSON.parse(body).results[0].errno);
  }
  assert.equal(names.size, 139);
});

sidecarTest("a plain request is answered wherever it is cut in two, and many in one piece in their order", async () => {
  await using sidecar = await RealSidecar.start(root);
  using twins = await Twins.open(sidecar);
  const plain = JSON.stringify({ calls: [{ call: "write", args: [1, "twelve bytes"] }] });
  const { length } = requestOf(plain);
  for (let cut = 1; cut < length; cut++) await twins.compare(plain, cut);
  // What the agent does not read itself is in between.
  const bodies = Array.from({ length: 60 }, (_, index) => {
    const data = "x".repeat(index);
    return JSON.stringify({ calls: [{ call: "write", args: index % 3 === 1 ? { fd: 1, data } : [1, data] }] });
  });
  await twins.plain.send(new Uint8Array(bodies.flatMap((body) => [...requestOf(body)])));
  for (let index = 0; index < bodies.length; index++) {
    assert.deepEqual(await twins.plain.answer(), { status: 200, body: `{"results":[{"value":${index}}]}\n` });
  }
});

sidecarTest("plain requests need no sidecar: they are answered while it is stopped, and counted", async () => {
  await using sidecar = await RealSidecar.start(root);
  using raw = await Raw.open(sidecar);
  const count = 10_000;
  const plain = requestOf(JSON.stringify({ calls: [{ call: "fsync", args: [0] }, { call: "getuid" }], stopOnError: false }));
  const expected = {
    status: 200,
    body: '{"results":[{"errno":"EINVAL","number":22,"message":"Invalid argument"},{"value":0}],"failed":0}\n',
  };
  assert.deepEqual(await raw.ask(plain), expected);
  Deno.kill(sidecar.state.sidecarPid!, "SIGSTOP");
  for (let i = 1; i < count / 10; i++) assert.deepEqual(await raw.ask(plain), expected);
  const structures = {
    calls: [{ call: "newfstatat", args: [-100, "/dev/null"] }, { call: "open", args: ["/proc", 0] }, { call: "getdents64", args: [3] }],
  };
  const { status, body } = (await raw.ask(requestOf(JSON.stringify(structures))))!;
  const [stat, , entries] = JSON.parse(body).results;
  assert.deepEqual([status, stat.out.status.decoded.rdev, entries.out.entries.decoded[0].name], [200, 0x103, "."]);
  // Faster than anybody asks: the counters miss nothing.
  const rest = count - count / 10;
  const sending = raw.send(new Uint8Array(Array.from({ length: rest }, () => [...plain]).flat()));
  for (let i = 0; i < rest; i++) assert.deepEqual(await raw.answer(), expected);
  await sending;
  await until("all are counted", () => sidecar.counters.getuid?.calls === count);
  const { fsync, getuid } = sidecar.counters;
  assert.deepEqual([fsync.calls, fsync.forwarded, fsync.failed], [count, count, count]);
  assert.deepEqual([getuid.calls, getuid.forwarded, getuid.failed], [count, count, 0]);
  assert.equal(getuid.buckets.reduce((sum, bucket) => sum + bucket, 0), count);
  Deno.kill(sidecar.state.sidecarPid!, "SIGCONT");
});

sidecarTest("the policy holds for plain requests, from one to the next", async () => {
  await using sidecar = await RealSidecar.start(root);
  using raw = await Raw.open(sidecar);
  using board = new Board(`${sidecar.directory}/board`);
  const plain = requestOf(JSON.stringify({ calls: [{ call: "mkdirat", args: [-100, newPath("made"), 0o700] }] }));
  board.setRule(numberOf("mkdirat"), "deny", "EROFS");
  assert.match((await raw.ask(plain))!.body, /"errno":"EROFS"/);
  board.setRule(numberOf("mkdirat"), "handle");
  assert.match((await raw.ask(plain))!.body, /"errno":"ENOSYS"/);
  board.setRule(numberOf("mkdirat"), "forward");
  assert.match((await raw.ask(plain))!.body, /"value":0/);
  await until("all are counted", () => sidecar.counters.mkdirat?.calls === 3);
  const { denied, returned, forwarded } = sidecar.counters.mkdirat;
  assert.deepEqual([denied, returned, forwarded], [1, 1, 1]);
});

sidecarTest("a client that has sent all gets its answers, and one that is gone leaves no agent, whatever that waits for", async () => {
  await using sidecar = await RealSidecar.start(root);
  const plain = requestOf('{"calls":[{"call":"getuid"}]}');
  const agents = () => childrenOf(sidecar.state.keeperPid!).filter((pid) => kernel.tryRead(`/proc/${pid}/comm`) === "nodeos-agent\n");
  {
    using raw = await Raw.open(sidecar);
    await raw.send(new Uint8Array([...plain, ...plain, ...plain]));
    await raw.connection.closeWrite();
    for (let i = 0; i < 3; i++) assert.equal((await raw.answer())!.status, 200);
    assert.equal(await raw.answer(), null);
  }
  const fifo = newPath("fifo");
  // The agent waits in the kernel: for a writer by itself, and for one that the sidecar has it wait for.
  for (const args of [["AT_FDCWD", fifo, 0], { path: fifo, flags: 0 }]) {
    using raw = await Raw.open(sidecar);
    assert.equal((await raw.ask(requestOf(JSON.stringify({ calls: [{ call: "mknodat", args: [-100, fifo, 0o10600, 0] }] }))))!.status, 200);
    await raw.send(requestOf(JSON.stringify({ calls: [{ call: "openat", args }] })));
    await until(
      "it waits",
      () => agents().length === 1 && (kernel.tryRead(`/proc/${agents()[0]}/syscall`)?.startsWith(`${numberOf("openat")} `) ?? false),
    );
  }
  await until("nobody is left", () => agents().length === 0);
});

sidecarTest("an answer that its client does not take is kept for it, in its order", async () => {
  await using sidecar = await RealSidecar.start(root);
  using raw = await Raw.open(sidecar);
  const path = newPath("large");
  Deno.writeTextFileSync(path, "0123456789".repeat(15_000));
  await raw.ask(requestOf(JSON.stringify({ calls: [{ call: "openat", args: [-100, path, 0] }] })));
  const ask = (at: number, args: unknown) =>
    requestOf(JSON.stringify({ encoding: "text", calls: [{ call: "pread64", args, as: `n${at}` }] }));
  // By turns the agent's, and the sidecar's.
  const requests = Array.from({ length: 20 }, (_, at) => ask(at, at % 2 ? [3, 120_000, at] : { fd: 3, size: 120_000, offset: at }));
  const sending = raw.send(new Uint8Array(requests.flatMap((request) => [...request])));
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (let at = 0; at < requests.length; at++) {
    const { results: [{ value, out: { data: { text } } }] } = JSON.parse((await raw.answer())!.body);
    assert.deepEqual([value, text.length, text[0]], [120_000, 120_000, `${at % 10}`]);
  }
  await sending;
});
