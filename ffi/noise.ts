import { lazyLibrary } from "./library.ts";
import { struct } from "./struct.ts";

const library = lazyLibrary({
  // int32_t nodeos_noise(struct nodeos_noise *noise, int64_t *ret_samples, int32_t capacity);
  nodeos_noise: { parameters: ["buffer", "buffer", "i32"], result: "i32", nonblocking: true },
});

/** `struct nodeos_noise`: the request, and after sampling what came out; also the head of a file of samples. */
export const NoiseLayout = struct({
  mode: "i32",
  count: "i32",
  durationNs: "i64",
  quantumNs: "i64",
  thresholdNs: "i64",
  lostNs: "i64",
  minimumNs: "i64",
  truncated: "i64",
  startNs: "i64",
  voluntary: "i64",
  involuntary: "i64",
  clock: "i32",
  locked: "i32",
});

/**
 * Samples in this process, on a thread of Deno's that runs where the kernel puts it; to measure one CPU, use the program
 * `nodeos-helper`, which pins itself.
 *
 * @param noise The request as a {@link NoiseLayout}; filled in.
 * @param samples Filled with pairs: offset from the start, length; nanoseconds.
 * @param capacity Pairs that there is room for.
 * @returns How many pairs were stored, or a negative error number.
 */
export async function sampleHere(noise: Uint8Array<ArrayBuffer>, samples: BigInt64Array<ArrayBuffer>, capacity: number): Promise<number> {
  return await library().nodeos_noise(noise, samples, capacity);
}
