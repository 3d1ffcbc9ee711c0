import type { CapturedFiles } from "../../captured.ts";

/** A thread to write down: 200 and on are free, as 2 is; see {@link threadFiles}. */
export interface ThreadDescription {
  readonly tid: number;
  readonly name: string;
  /** CPUs it may run on. */
  readonly cpus: string;
  /** `bound` and `free` are threads of the kernel. */
  readonly sort: "bound" | "free" | "program";
}

/** Files of threads, each the first of its process; their start is 1000 ticks. */
export function threadFiles(threads: readonly ThreadDescription[]): CapturedFiles {
  return Object.fromEntries(threads.flatMap(({ tid, name, cpus, sort }) => {
    const flags = { bound: 0x04200000, free: 0x00200000, program: 0x00400000 }[sort];
    const stat = `${tid} (${name}) S 2 0 0 0 -1 ${flags} ${"0 ".repeat(12)}1000 ${"0 ".repeat(28)}0\n`;
    return [
      [`/proc/${tid}/task/${tid}/stat`, stat],
      [`/proc/${tid}/task/${tid}/status`, `Cpus_allowed_list:\t${cpus}\nMems_allowed_list:\t0\n`],
    ];
  }));
}
