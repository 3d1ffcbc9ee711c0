import { KernelRoot } from "../../../../ffi/kernel_root.ts";
import { formatCpuList, parseCpuList } from "../../../../lib/kernel/cpulist.ts";

/** What the kernel says of the CPUs of a process. */
export function cpusOf(pid: number): string {
  return formatCpuList(parseCpuList(/^Cpus_allowed_list:\s*(.+)$/m.exec(new KernelRoot().read(`/proc/${pid}/status`))![1]));
}

/** A program that has started another one, and their process ids. */
export async function startPair(env: Readonly<Record<string, string>> = {}) {
  const child = new Deno.Command("sh", { args: ["-c", "sleep 300 & echo $!; wait"], env, stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  const inner = Number(new TextDecoder().decode((await reader.read()).value));
  const end = async () => {
    Deno.kill(inner, "SIGKILL");
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
  };
  return { pid: child.pid, inner, [Symbol.asyncDispose]: end };
}
