import { check } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";
import { cpuWords, maskOf } from "./task.ts";

const library = lazyLibrary({
  // int32_t nodeos_place(const char *threads_path, const uint64_t *cpus);
  nodeos_place: { parameters: ["buffer", "buffer"], result: "i32" },
});

/**
 * Places the threads of a container once, where nobody waits for its programs: after its CPUs changed, or when the
 * kernel stopped balancing them. Takes up to 100 ms, so that threads that run get where they belong.
 *
 * A thread that chose its CPUs itself stays. Linux 6.2 and later leave every thread that a container was grown around
 * on the CPUs it had, since its programs are started with a mask: this is what gives it the new ones, balanced or not.
 *
 * @param threadsPath The file that lists the threads of its cgroup: `cgroup.threads`, or `tasks` on v1.
 * @param cpus The CPUs that it had before they changed; those it has now are read from the cgroup.
 * @returns How many threads were moved or given the new CPUs.
 * @throws {SysError} If the list cannot be read.
 */
export function spreadThreads(threadsPath: string, cpus: Iterable<number>): number {
  return check(library().nodeos_place(cstr(threadsPath), maskOf(cpus, cpuWords)), () => `place the threads of ${threadsPath}`);
}
