import assert from "node:assert/strict";
import fc from "fast-check";
import { assembleDeviceFilter, readDeviceFilter, setDeviceFilter } from "../../ffi/device_filter.ts";
import { errno, SysError } from "../../ffi/errors.ts";
import { cstr, libraryPath } from "../../ffi/library.ts";
import { cpusetMount, TestCgroup, unifiedMount } from "./host.ts";
import { scratch, shell } from "./programs.ts";

// Registered at its first use, which within a test would count as a leak.
readDeviceFilter("/proc/none");

const native = Deno.dlopen(libraryPath(), {
  nodeos_device_filter_read: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
  nodeos_device_filter_write: { parameters: ["buffer", "buffer", "i32", "buffer"], result: "i32" },
}).symbols;

/** Whether we may filter devices here: a root of OCI containers may not. */
const mayFilter = unifiedMount !== null && mayAsk(unifiedMount);

function mayAsk(mount: string): boolean {
  try {
    return readDeviceFilter(mount) !== null;
  } catch (error) {
    if (error instanceof SysError && ["EPERM", "ENOSYS"].includes(error.code)) return false;
    throw error;
  }
}

/** The kernel's machine, as far as a filter uses it: what a program says to somebody who opens a device. */
function run(program: Uint8Array<ArrayBuffer>, type: number, access: number, major: number, minor: number): number {
  const view = new DataView(program.buffer);
  const context = new DataView(new ArrayBuffer(12));
  [access << 16 | type, major, minor].forEach((word, index) => context.setUint32(index * 4, word, true));
  const registers = new Array<bigint>(11).fill(0n);
  for (let at = 0;; at++) {
    assert(at < program.length / 8, "it runs over its end");
    const [code, both, offset] = [view.getUint8(at * 8), view.getUint8(at * 8 + 1), view.getInt16(at * 8 + 2, true)];
    const [to, from, number] = [both & 15, both >> 4, BigInt(view.getInt32(at * 8 + 4, true))];
    switch (code) {
      case 0x18:
        at++;
        break;
      case 0x61:
        assert.equal(from, 1);
        registers[to] = BigInt(context.getUint32(offset, true));
        break;
      case 0xbf:
        registers[to] = registers[from];
        break;
      case 0xb7:
        registers[to] = number;
        break;
      case 0x57:
        registers[to] &= number;
        break;
      case 0x77:
        registers[to] >>= number;
        break;
      case 0x55:
        if (registers[to] !== number) at += offset;
        break;
      case 0x95:
        return Number(registers[0]);
      default:
        assert.fail(`instruction ${code}`);
    }
  }
}

const bits = { m: 1, r: 2, w: 4 };
const accessOf = (letters: string) => [...letters].reduce((sum, letter) => sum | bits[letter as keyof typeof bits], 0);

Deno.test("assembleDeviceFilter() makes programs that allow what a rule allows, and nothing else", () => {
  const number = fc.oneof(fc.nat(3), fc.constantFrom(4095, 2 ** 20 - 1));
  const pattern = fc.option(number).map((value) => value === null ? "*" : `${value}`);
  const access = fc.constantFrom("r", "w", "m", "rw", "rm", "wm", "rwm");
  const rule = fc.tuple(fc.constantFrom("b", "c"), pattern, pattern, access);
  const asked = fc.tuple(fc.constantFrom("b", "c"), number, number, access);
  fc.assert(
    fc.property(fc.array(rule, { minLength: 1, maxLength: 6 }), asked, (rules, [type, major, minor, letters]) => {
      const text = rules.map(([type, major, minor, access]) => `${type} ${major}:${minor} ${access}`).join(";");
      const expected = rules.some(([ruleType, ruleMajor, ruleMinor, ruleAccess]) =>
        ruleType === type && ["*", `${major}`].includes(ruleMajor) && ["*", `${minor}`].includes(ruleMinor) &&
        [...letters].every((letter) => ruleAccess.includes(letter))
      );
      const found = run(assembleDeviceFilter(text), type === "b" ? 1 : 2, accessOf(letters), major, minor);
      assert.equal(found, expected ? 1 : 0, text);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("assembleDeviceFilter() refuses what is no rule", () => {
  for (
    const rule of [
      "",
      "a *:* rwm",
      "c 1:3",
      "c 1:3 ",
      "c 1:3 x",
      "c 1:3 wr",
      "c 1 rwm",
      "c -1:3 r",
      "c 99999999:0 r",
      "c 1:3 r;",
      "c 1:3 r\n",
    ]
  ) {
    assert.throws(() => assembleDeviceFilter(rule), {
      name: "SyntaxError",
      message: /^Cannot filter devices by .*: a rule reads "c 1:3 rwm"$/,
    });
  }
});

/** What a shell in the cgroup can open and make. */
function canDo(group: TestCgroup): string[] {
  const node = `${scratch}/node`;
  const script = `
    try() { name=$1; shift; "$@" 2>/dev/null && echo $name; }
    try null sh -c ': </dev/null'
    try full sh -c ': </dev/full'
    try zero sh -c ': </dev/zero'
    try write sh -c ': >/dev/zero'
    try mknod mknod ${node} c 1 5 && rm ${node}
    true`;
  return shell(script, { cgroup: group.path }).out.trim().split("\n");
}

const everything = ["null", "full", "zero", "write", "mknod"];

Deno.test({
  name: "setDeviceFilter() lets programs open what its rules say, is replaced and ended [needs root, cgroup v2 and BPF]",
  ignore: !mayFilter,
  fn() {
    using group = new TestCgroup(unifiedMount!, "devices");
    assert.equal(readDeviceFilter(group.path), "");
    assert.deepEqual(canDo(group), everything);
    // A shell has null open before it begins.
    const withNull = (rules: string) => `c 1:3 rwm;c 136:* rwm;${rules}`;
    for (
      const [rules, found] of [
        ["c 1:5 r", ["null", "zero"]],
        ["c 1:5 rwm;c 1:7 r", everything],
        ["c *:* m", ["null", "mknod"]],
        ["b 1:5 rwm", ["null"]],
      ] as const
    ) {
      setDeviceFilter(group.path, withNull(rules));
      assert.equal(readDeviceFilter(group.path), withNull(rules));
      assert.deepEqual(canDo(group), found, rules);
    }
    setDeviceFilter(group.path, "");
    assert.equal(readDeviceFilter(group.path), "");
    assert.deepEqual(canDo(group), everything);
    setDeviceFilter(group.path, "");
  },
});

Deno.test({
  name: "setDeviceFilter() leaves what it replaces when the kernel or we refuse the new one [needs root, cgroup v2 and BPF]",
  ignore: !mayFilter,
  fn() {
    using group = new TestCgroup(unifiedMount!, "refused");
    setDeviceFilter(group.path, "c 1:3 rwm");
    const many = Array.from({ length: 2000 }, (_, minor) => `c 1:${minor} r`).join(";");
    assert.throws(() => setDeviceFilter(group.path, many), { code: "E2BIG", message: /^Cannot set the device filter of / });
    assert.throws(() => setDeviceFilter(group.path, "nonsense"), SyntaxError);
    assert.equal(readDeviceFilter(group.path), "c 1:3 rwm");
  },
});

Deno.test({
  name: "setDeviceFilter() holds as many rules as a program may have, and reads them back [needs root, cgroup v2 and BPF]",
  ignore: !mayFilter,
  fn() {
    using group = new TestCgroup(unifiedMount!, "many");
    const rules = Array.from({ length: 800 }, (_, minor) => `c 1:${minor} rwm`).join(";");
    setDeviceFilter(group.path, rules);
    assert.equal(readDeviceFilter(group.path), rules);
  },
});

Deno.test("readDeviceFilter() is null without such a cgroup, and setDeviceFilter() says so", () => {
  assert.equal(readDeviceFilter("/sys/fs/cgroup/none"), null);
  assert.throws(() => setDeviceFilter("/sys/fs/cgroup/none", "c 1:3 rwm"), { code: "ENOENT" });
  assert.throws(() => setDeviceFilter("/sys/fs/cgroup/none", ""), { code: "ENOENT", message: /^Cannot end the device filter of / });
});

Deno.test("device filters are for directories that are cgroups, below the kernel's own", () => {
  assert.throws(() => readDeviceFilter("/tmp"), { code: "EACCES" });
  if (mayFilter) assert.throws(() => readDeviceFilter("/sys/kernel"), { code: "EBADF" });
});

Deno.test({
  name: "readDeviceFilter() of a cgroup v1 says EBADF [needs root, BPF and both versions]",
  ignore: cpusetMount === null || !mayFilter,
  fn() {
    assert.throws(() => readDeviceFilter(cpusetMount!), { code: "EBADF" });
  },
});

Deno.test({
  name: "nodeos_device_filter_read() fills no more than the size it is told, and asks for more [needs root, cgroup v2 and BPF]",
  ignore: !mayFilter,
  fn() {
    using group = new TestCgroup(unifiedMount!, "size");
    setDeviceFilter(group.path, "c 1:3 rwm");
    const length = "c 1:3 rwm".length;
    for (let size = 0; size < length + 4; size++) {
      const buffer = new Uint8Array(64).fill(0xa5);
      const result = native.nodeos_device_filter_read(cstr(group.path), buffer, size);
      // One byte more than the text, for the NUL behind it.
      assert.equal(result, size > length ? length : -errno.EFBIG);
      assert(buffer.subarray(size).every((byte) => byte === 0xa5), `size ${size}: it wrote more`);
    }
  },
});

Deno.test({
  name: "nodeos_device_filter_write() takes no program that it cannot complete, and leaves what was there [needs root, cgroup v2 and BPF]",
  ignore: !mayFilter,
  fn() {
    using group = new TestCgroup(unifiedMount!, "program");
    setDeviceFilter(group.path, "c 1:3 rwm");
    const program = assembleDeviceFilter("c 1:5 rwm");
    const write = (bytes: Uint8Array<ArrayBuffer>, size = bytes.length) =>
      native.nodeos_device_filter_write(cstr(group.path), bytes, size, cstr("c 1:5 rwm"));
    for (const size of [1, 7, 8, 15]) assert(write(program, size) < 0, `${size}`);
    assert.equal(write(program.slice(16)), -errno.EINVAL);
    const other = program.slice();
    other[1] = 0;
    assert.equal(write(other), -errno.EINVAL);
    // The kernel has its own idea of a program: one that ends somewhere.
    assert(write(program.slice(0, -8)) < 0);
    assert.equal(readDeviceFilter(group.path), "c 1:3 rwm");
  },
});
