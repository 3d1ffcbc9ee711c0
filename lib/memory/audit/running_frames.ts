import { errno, SysError } from "../../../ffi/errors.ts";
import { fileFrames, frameCounts, frameFlags, frameOwners, pageBytes, processFrames } from "../../../ffi/frames.ts";
import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import { readText } from "../../kernel/value.ts";
import { RefusedError } from "../../errors.ts";
import type { FrameReader } from "./evidence.ts";
import { countOwners, type FrameFacts } from "./frame_map.ts";
import type { FrameRun } from "../frame_runs.ts";

/** Page frames of the running machine, for root. */
export function runningFrames(files: KernelFiles): FrameReader & FrameFacts {
  const facts: FrameFacts = {
    flags: ({ frame, count }) => asRoot(() => frameFlags(frame, count)),
    owners: ({ frame, count }) => asRoot(() => frameOwners(frame, count)),
  };
  return {
    ...facts,
    fileFrames(path) {
      const bytes = files.memory?.file(path)?.bytes;
      return bytes === undefined ? null : asRoot(() => fileFrames(path, bytes));
    },
    deviceFrames(device) {
      const directory = `/sys/bus/dax/devices/${device}`;
      const [resource, size] = ["resource", "size"].map((file) => Number(readText(files, `${directory}/${file}`) ?? 0));
      return resource === 0 ? null : [{ frame: resource / pageBytes(), count: size / pageBytes() }];
    },
    processFrames(pid) {
      try {
        return processFrames(pid);
      } catch (error) {
        if (isDenied(error)) return "hidden";
        throw error;
      }
    },
    countMappings: ({ frame, count }: FrameRun) =>
      asRoot(() => frameCounts(frame, count)).reduce((sum, mappings) => sum + Number(mappings), 0),
    countOwners: (runs) => countOwners(facts, runs),
  };
}

function asRoot<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (!isDenied(error)) throw error;
    throw new RefusedError("Cannot look at page frames: the kernel shows them to root only", { cause: error, remedy: "Run it as root" });
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof SysError && (error.errno === errno.EPERM || error.errno === errno.EACCES);
}
