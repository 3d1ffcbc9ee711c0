import assert from "node:assert/strict";

/** What a filter is told of a call: `struct seccomp_data`. */
export interface SeccompData {
  readonly number: number;
  readonly architecture: number;
  readonly instructionPointer?: bigint;
  readonly arguments?: readonly bigint[];
}

/** How a filter ended. */
export interface Run {
  /** What it returned. */
  readonly result: number;
  /** How many instructions it took. */
  readonly steps: number;
}

const dataBytes = 64;
const instructionBytes = 8;

function encode(data: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(dataBytes));
  view.setInt32(0, data.number, true);
  view.setUint32(4, data.architecture, true);
  view.setBigUint64(8, data.instructionPointer ?? 0n, true);
  (data.arguments ?? []).forEach((argument, index) => view.setBigUint64(16 + index * 8, argument, true));
  return view;
}

/** Runs a filter as the kernel would; what the kernel would not take is an assertion that fails. */
export function run(program: Uint8Array<ArrayBuffer>, data: SeccompData): Run {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const count = program.length / instructionBytes;
  assert.ok(Number.isInteger(count) && count >= 1 && count <= 4096, `${program.length} bytes`);
  const input = encode(data);
  let accumulator = 0;
  for (let at = 0, steps = 1;; at++, steps++) {
    assert.ok(at < count, "it runs over its end");
    const [operation, whenTrue, whenFalse] = [0, 2, 3].map((offset) => code.getUint8(at * instructionBytes + offset));
    assert.equal(code.getUint8(at * instructionBytes + 1), 0, "operations fit in a byte");
    const operand = code.getUint32(at * instructionBytes + 4, true);
    switch (operation) {
      case 0x20: // BPF_LD | BPF_W | BPF_ABS
        assert.ok(operand % 4 === 0 && operand < dataBytes, `loads from ${operand}`);
        accumulator = input.getUint32(operand, true);
        break;
      case 0x05: // BPF_JMP | BPF_JA
        at += operand;
        break;
      case 0x15: // BPF_JMP | BPF_JEQ | BPF_K
        at += accumulator === operand ? whenTrue : whenFalse;
        break;
      case 0x25: // BPF_JMP | BPF_JGT | BPF_K
        at += accumulator > operand ? whenTrue : whenFalse;
        break;
      case 0x35: // BPF_JMP | BPF_JGE | BPF_K
        at += accumulator >= operand ? whenTrue : whenFalse;
        break;
      case 0x45: // BPF_JMP | BPF_JSET | BPF_K
        at += accumulator & operand ? whenTrue : whenFalse;
        break;
      case 0x54: // BPF_ALU | BPF_AND | BPF_K
        accumulator = (accumulator & operand) >>> 0;
        break;
      case 0x06: // BPF_RET | BPF_K
        return { result: operand, steps };
      default:
        assert.fail(`operation ${operation} at ${at}`);
    }
  }
}

/** The offsets that a filter loads from, wherever it gets to. */
export function loadsOf(program: Uint8Array<ArrayBuffer>): Set<number> {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const instructions = Array.from({ length: program.length / instructionBytes }, (_, index) => index * instructionBytes);
  return new Set(instructions.filter((at) => code.getUint16(at, true) === 0x20).map((at) => code.getUint32(at + 4, true)));
}
