import { check, errno } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_device_filter_read(const char *cgroup, uint8_t *ret_text, int32_t size);
  nodeos_device_filter_read: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
  // int32_t nodeos_device_filter_write(const char *cgroup, const uint8_t *program, int32_t size, const char *text);
  nodeos_device_filter_write: { parameters: ["buffer", "buffer", "i32", "buffer"], result: "i32" },
});

const textBytesMax = 64 * 1024;

/** Devices that may be opened: one, or many where a number is `*`. */
interface DeviceRule {
  readonly type: "b" | "c";
  readonly major: number | null;
  readonly minor: number | null;
  /** Bits of {@link accessBits}. */
  readonly access: number;
}

const accessBits = { m: 1, r: 2, w: 4 } as const;
const accessAll = accessBits.m | accessBits.r | accessBits.w;
/** What a program is told of the device that is being opened: access in the upper half, type in the lower. */
const typeBits = { b: 1, c: 2 } as const;

/**
 * Parses rules such as `c 1:3 rwm;c 136:* rw`: block or character devices, their numbers, and whether they may be read,
 * written and made (mknod).
 *
 * @throws {SyntaxError} If one is none.
 */
function parseRules(rules: string): DeviceRule[] {
  return rules.split(";").map((rule) => {
    const [, type, major, minor, access] = /^([bc]) (\d{1,7}|\*):(\d{1,7}|\*) (r?w?m?)$/.exec(rule) ?? [];
    if (!access) throw new SyntaxError(`Cannot filter devices by ${JSON.stringify(rule)}: a rule reads "c 1:3 rwm"`);
    const bits = [...access].reduce((sum, letter) => sum | accessBits[letter as keyof typeof accessBits], 0);
    const number = (text: string) => text === "*" ? null : Number(text);
    return { type: type as "b" | "c", major: number(major), minor: number(minor), access: bits };
  });
}

// Instructions of linux/bpf_common.h: class, operation and where the second operand comes from, in one byte.
const loadWord = 0x61; // dst = *(u32 *) (src + offset)
const loadMap = 0x18; // dst = a map, in two instructions
const moveRegister = 0xbf;
const moveNumber = 0xb7;
const and = 0x57;
const shiftRight = 0x77;
const jumpUnlessEqual = 0x55;
const exit = 0x95;

type Instruction = readonly [code: number, to: number, from: number, offset: number, number: number];

/**
 * Assembles rules into instructions of the kernel's machine for a filter of devices: a device passes by the first rule
 * that allows all that is asked for, and else not at all.
 *
 * @throws {SyntaxError} If a rule is none.
 */
export function assembleDeviceFilter(rules: string): Uint8Array<ArrayBuffer> {
  const [result, context, type, access, major, minor, asked] = [0, 1, 2, 3, 4, 5, 6];
  const program: Instruction[] = [
    [loadMap, result, 1, 0, 0],
    [0, 0, 0, 0, 0],
    [loadWord, type, context, 0, 0],
    [moveRegister, access, type, 0, 0],
    [and, type, 0, 0, 0xffff],
    [shiftRight, access, 0, 0, 16],
    [loadWord, major, context, 4, 0],
    [loadWord, minor, context, 8, 0],
  ];
  for (const rule of parseRules(rules)) {
    const tests: Instruction[] = [[jumpUnlessEqual, type, 0, 0, typeBits[rule.type]]];
    if (rule.major !== null) tests.push([jumpUnlessEqual, major, 0, 0, rule.major]);
    if (rule.minor !== null) tests.push([jumpUnlessEqual, minor, 0, 0, rule.minor]);
    if (rule.access !== accessAll) {
      tests.push([moveRegister, asked, access, 0, 0], [and, asked, 0, 0, accessAll & ~rule.access], [jumpUnlessEqual, asked, 0, 0, 0]);
    }
    const body: Instruction[] = [...tests, [moveNumber, result, 0, 0, 1], [exit, 0, 0, 0, 0]];
    // A jump counts from the instruction behind it, to the next rule.
    for (const [index, [code, to, from, , number]] of body.entries()) {
      program.push([code, to, from, code === jumpUnlessEqual ? body.length - index - 1 : 0, number]);
    }
  }
  program.push([moveNumber, result, 0, 0, 0], [exit, 0, 0, 0, 0]);
  return encode(program);
}

/** `struct bpf_insn`. */
function encode(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(program.length * 8));
  for (const [index, [code, to, from, offset, number]] of program.entries()) {
    view.setUint8(index * 8, code);
    view.setUint8(index * 8 + 1, to | from << 4);
    view.setInt16(index * 8 + 2, offset, true);
    view.setInt32(index * 8 + 4, number, true);
  }
  return new Uint8Array(view.buffer);
}

/**
 * Reads the rules of our filter on a cgroup of version 2; `""` without one, `null` without such a cgroup. Where a
 * replacement was interrupted, there may be two, one on each line, and both count.
 *
 * @throws {SysError} If the kernel refuses: it needs the capabilities of an administrator.
 */
export function readDeviceFilter(cgroup: string): string | null {
  const text = new Uint8Array(textBytesMax);
  const length = library().nodeos_device_filter_read(cstr(cgroup), text, text.length);
  if (length === -errno.ENOENT) return null;
  check(length, () => `read the device filter of ${cgroup}`);
  return new TextDecoder().decode(text.subarray(0, length));
}

/**
 * Lets the programs of a cgroup of version 2, and of those below it, open what the rules say and no other device; `""`
 * ends that. What is open stays open. Only `lib/plan/` may: everything else makes steps.
 *
 * @throws {SyntaxError} If a rule is none, {SysError} if the kernel refuses; then what was before still counts.
 */
export function setDeviceFilter(cgroup: string, rules: string): void {
  const program = rules === "" ? new Uint8Array(0) : assembleDeviceFilter(rules);
  check(
    library().nodeos_device_filter_write(cstr(cgroup), program, program.length, cstr(rules)),
    () => rules === "" ? `end the device filter of ${cgroup}` : `set the device filter of ${cgroup}`,
  );
}
