import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import type { ComposedTree } from "./compose.ts";

/** Adds a few threads: of the kernel, bound and free, and of programs, with names made to be misread. */
export function composeTasks(tree: ComposedTree, online: readonly number[], nodes: readonly number[]): void {
  const first = online[0];
  const last = online[online.length - 1];
  const kernel = 0x00200000;
  const bound = 0x04000000;
  put({ pid: 1, name: "init" });
  put({ pid: 2, name: "kthreadd", flags: kernel });
  put({ pid: 16, name: `ksoftirqd/${first}`, flags: kernel | bound, cpus: [first], parent: 2 });
  put({ pid: 17, name: `migration/${first}`, flags: kernel | bound, cpus: [first], parent: 2, policy: 1, priority: 99 });
  put({ pid: 30, name: "rcu_preempt", flags: kernel, state: "I", parent: 2 });
  put({ pid: 41, name: "irq/25-nvme0q1", flags: kernel, cpus: [last], parent: 2, policy: 1, priority: 50 });
  put({ pid: 700, name: "user" });
  put({ pid: 700, tid: 701, name: "S) R (odd) 1 2 3" });
  put({ pid: 702, name: "user", cpus: [last] });
  put({ pid: 703, name: "user", state: "Z" });
  put({ pid: 704, name: "user", policy: 6 });

  interface TaskDescription {
    pid: number;
    tid?: number;
    name: string;
    flags?: number;
    state?: string;
    parent?: number;
    cpus?: readonly number[];
    policy?: number;
    priority?: number;
  }

  function put(task: TaskDescription): void {
    const { pid, tid = pid, name, flags = 0x00400100, state = "S", parent = pid < 3 ? 0 : 1, cpus = online, policy = 0, priority = 0 } =
      task;
    const fields = Array<string | number>(50).fill(0);
    const values: [number: number, value: string | number][] = [
      [3, state],
      [4, parent],
      [9, flags],
      [14, 100 + pid],
      [15, 10],
      [18, 20],
      [22, 5000 + tid],
      [38, 17],
      [39, cpus[0]],
      [40, priority],
      [41, policy],
    ];
    for (const [number, value] of values) fields[number - 3] = value;
    tree.set(`/proc/${pid}/task/${tid}/stat`, `${tid} (${name}) ${fields.join(" ")}\n`);
    tree.set(
      `/proc/${pid}/task/${tid}/status`,
      `Name:\t${name}\nState:\t${state}\nTgid:\t${pid}\nPid:\t${tid}\nCpus_allowed_list:\t${formatCpuList(cpus)}\n` +
        `Mems_allowed_list:\t${formatCpuList(nodes)}\nvoluntary_ctxt_switches:\t${pid * 2}\nnonvoluntary_ctxt_switches:\t3\n`,
    );
  }
}
