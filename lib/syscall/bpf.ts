/** One instruction of classic BPF, `struct sock_filter`: a jump counts from the instruction behind it. */
export interface Instruction {
  /** Class, operation and where the operand comes from. */
  readonly code: number;
  /** Instructions to skip when a comparison holds, at most 255. */
  readonly jumpTrue: number;
  /** Instructions to skip when it does not. */
  readonly jumpFalse: number;
  /** The operand, 32 bits without sign. */
  readonly operand: number;
}

/** The codes that a filter of system calls needs, of linux/bpf_common.h. */
export const codes = {
  /** Takes the word at `operand` of `struct seccomp_data`. */
  load: 0x20,
  /** Skips `operand` instructions. */
  jump: 0x05,
  /** Compares the word with `operand`. */
  jumpEqual: 0x15,
  /** The same: at least as large, both without sign. */
  jumpAtLeast: 0x35,
  /** Ends with `operand`, one of {@link results}. */
  end: 0x06,
} as const;

/** How a filter ends, of linux/seccomp.h. */
export const results = {
  /** The program makes the call. */
  allow: 0x7fff0000,
  /** The call waits for an answer of whoever holds the listener. */
  notify: 0x7fc00000,
  /** The call returns an error: to this, its number is added. */
  error: 0x00050000,
} as const;

/** Where `struct seccomp_data` has the number of the call, and the `AUDIT_ARCH_*` of who makes it. */
export const offsets = { number: 0, architecture: 4 } as const;

/** The most instructions that the kernel takes. */
export const instructionsMax = 4096;
const jumpMax = 255;
const instructionBytes = 8;

/** Takes a word of `struct seccomp_data`. */
export function load(offset: number): Instruction {
  return { code: codes.load, jumpTrue: 0, jumpFalse: 0, operand: offset };
}

/** Ends with a result. */
export function end(result: number): Instruction {
  return { code: codes.end, jumpTrue: 0, jumpFalse: 0, operand: result };
}

/** Compares, and goes on with one of two lists of instructions, each of which ends. */
export function choose(code: number, operand: number, whenTrue: readonly Instruction[], whenFalse: readonly Instruction[]): Instruction[] {
  if (whenFalse.length <= jumpMax) return [{ code, jumpTrue: whenFalse.length, jumpFalse: 0, operand }, ...whenFalse, ...whenTrue];
  const far = { code: codes.jump, jumpTrue: 0, jumpFalse: 0, operand: whenFalse.length };
  return [{ code, jumpTrue: 0, jumpFalse: 1, operand }, far, ...whenFalse, ...whenTrue];
}

/** Instructions as the kernel takes them: 8 bytes each, little-endian. */
export function encode(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(program.length * instructionBytes));
  for (const [index, { code, jumpTrue, jumpFalse, operand }] of program.entries()) {
    view.setUint16(index * instructionBytes, code, true);
    view.setUint8(index * instructionBytes + 2, jumpTrue);
    view.setUint8(index * instructionBytes + 3, jumpFalse);
    view.setUint32(index * instructionBytes + 4, operand, true);
  }
  return new Uint8Array(view.buffer);
}
