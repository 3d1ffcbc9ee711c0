import assert from "node:assert/strict";
import fc from "fast-check";
import { choose, codes, encode, end, type Instruction, load, offsets, results } from "../../../lib/syscall/bpf.ts";
import { compilers } from "./compilers.ts";
import { run } from "./bpf.ts";

const { compiler, note } = compilers[Deno.build.arch];

Deno.test("encode() writes struct sock_filter, little-endian", () => {
  const program = [{ code: 0x35, jumpTrue: 1, jumpFalse: 2, operand: 0xc000003e }, end(0x7fff0000)];
  assert.deepEqual([...encode(program)], [0x35, 0, 1, 2, 0x3e, 0, 0, 0xc0, 6, 0, 0, 0, 0, 0, 0xff, 0x7f]);
});

Deno.test("choose() reaches both sides, however long they are", () => {
  const long = (result: number, length: number): Instruction[] => [...Array.from({ length }, () => load(offsets.number)), end(result)];
  for (const [whenTrue, whenFalse] of [[0, 0], [0, 254], [0, 255], [300, 3], [1000, 1000]]) {
    const program = encode([load(offsets.number), ...choose(codes.jumpAtLeast, 7, long(1, whenTrue), long(2, whenFalse))]);
    for (const [number, result] of [[6, 2], [7, 1], [8, 1]]) {
      assert.equal(run(program, { number, architecture: 0 }).result, result, `${whenTrue} ${whenFalse}`);
    }
  }
});

Deno.test("choose() compares without sign", () => {
  const program = encode([load(offsets.number), ...choose(codes.jumpAtLeast, 0x40000000, [end(1)], [end(2)])]);
  fc.assert(fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (number) => {
    assert.equal(run(program, { number, architecture: 0 }).result, (number >>> 0) >= 0x40000000 ? 1 : 2);
  }));
});

Deno.test({
  name: `The codes, results and offsets are those of the kernel's headers${note}`,
  ignore: compiler === null,
  async fn() {
    const checks = [
      ["BPF_LD | BPF_W | BPF_ABS", codes.load],
      ["BPF_JMP | BPF_JA", codes.jump],
      ["BPF_JMP | BPF_JEQ | BPF_K", codes.jumpEqual],
      ["BPF_JMP | BPF_JGE | BPF_K", codes.jumpAtLeast],
      ["BPF_RET | BPF_K", codes.end],
      ["SECCOMP_RET_ALLOW", results.allow],
      ["SECCOMP_RET_USER_NOTIF", results.notify],
      ["SECCOMP_RET_ERRNO", results.error],
      ["offsetof(struct seccomp_data, nr)", offsets.number],
      ["offsetof(struct seccomp_data, arch)", offsets.architecture],
      ["sizeof(struct sock_filter)", 8],
    ].map(([there, here]) => `_Static_assert((${there}) == ${here}u, "${there}");`);
    await compiler!.compile(
      `#include <stddef.h>\n#include <linux/filter.h>\n#include <linux/seccomp.h>\n${checks.join("\n")}\n`,
      "-fsyntax-only",
    );
  },
});
