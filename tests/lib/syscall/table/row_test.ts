import assert from "node:assert/strict";
import { architectures } from "../../../../lib/syscall/arch.ts";
import { bytesOf, calls } from "../../../../lib/syscall/table.ts";
import { callsOf, structures } from "../../../../lib/syscall/table/row.ts";
import { compilers } from "../compilers.ts";

const call = callsOf("path");

Deno.test("callsOf() reads numbers, kinds, structures and traits", () => {
  const row = call("call", [1, 2], "at:dirfd path:path status:out=stat data:inSized size", "forwardable  repeatable");
  assert.deepEqual(row.numbers, { x86_64: 1, aarch64: 2 });
  assert.deepEqual(row.arguments.map(({ kind }) => kind), ["dirfd", "path", "out", "inSized", "integer"]);
  assert.deepEqual(architectures.map((architecture) => bytesOf(row.arguments[2], architecture)), [144, 128]);
  assert.equal(bytesOf(row.arguments[3], "x86_64"), 0);
  assert.deepEqual(row.traits, ["forwardable", "repeatable"]);
  assert.deepEqual(call("call", [7], "").numbers, { x86_64: 7 });
  assert.deepEqual(call("call", [undefined, 0], "").numbers, { aarch64: 0 });
});

for (
  const [signature, traits, message] of [
    ["a:pat", "", /Cannot take "pat" as an argument of call: there is none such/],
    ["a:out", "", /Cannot read "a:out" as an argument of call: "in" and "out" need a known structure/],
    ["a:out=toString", "", /Cannot read "a:out=toString"/],
    ["a:path=stat", "", /Cannot read "a:path=stat" .* others none/],
    ["a:", "", /Cannot read "a:" as an argument of call$/],
    ["a", "forwardible", /Cannot take "forwardible" as a trait of call/],
  ] as const
) {
  Deno.test(`callsOf() refuses the row "${signature}" "${traits}"`, () => {
    assert.throws(() => call("call", [1], signature, traits), { name: "TypeError", message });
  });
}

Deno.test("every structure is an argument of some call", () => {
  const used = new Set(calls.flatMap((call) => call.arguments.flatMap(({ bytes }) => bytes === undefined ? [] : [bytes])));
  for (const [name, bytes] of Object.entries(structures)) assert(used.has(bytes), name);
});

/** What C calls our structures; of ustat and cachestat not all headers know. */
const types: Record<string, string> = {
  int: "int",
  ints: "int[2]",
  long: "long",
  sigset: "unsigned long",
  timezone: "struct timezone",
  epollEvent: "struct epoll_event",
  timespec: "struct timespec",
  timeval: "struct timeval",
  utimbuf: "struct utimbuf",
  rlimit: "struct rlimit",
  cachestatRange: "uint64_t[2]",
  timespecs: "struct timespec[2]",
  timevals: "struct timeval[2]",
  itimerspec: "struct itimerspec",
  itimerval: "struct itimerval",
  tms: "struct tms",
  ustat: "struct { int free; unsigned long inode; char names[12]; }",
  cachestat: "uint64_t[5]",
  mqAttr: "struct mq_attr",
  sysinfo: "struct sysinfo",
  statfs: "struct statfs",
  siginfo: "siginfo_t",
  stat: "struct stat",
  rusage: "struct rusage",
  statx: "struct statx",
  utsname: "struct utsname",
};

const headers = ["mqueue", "signal", "stdint", "time", "utime"].concat(
  ["epoll", "resource", "stat", "statfs", "sysinfo", "time", "times", "utsname"].map((name) => `sys/${name}`),
);

for (const architecture of architectures) {
  const { compiler, note } = compilers[architecture];
  Deno.test({
    name: `structures have the compiler's sizes on ${architecture}${note}`,
    ignore: compiler === null,
    async fn() {
      assert.deepEqual(Object.keys(types), Object.keys(structures));
      const checks = Object.entries(structures).map(([name, bytes]) => {
        const size = typeof bytes === "number" ? bytes : bytes[architecture];
        return `_Static_assert(sizeof(${types[name]}) == ${size}, "${name}");`;
      });
      const source = ["#define _GNU_SOURCE", ...headers.map((header) => `#include <${header}.h>`), ...checks, ""].join("\n");
      await compiler!.compile(source, "-fsyntax-only");
    },
  });
}
