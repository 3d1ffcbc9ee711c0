import { lacking, no, partly, type Question, yes } from "./question.ts";

/** What forwarding system calls needs, and what programs confine themselves by. */
export const callQuestions: readonly Question[] = [
  {
    id: "seccomp-notify",
    title: "System call notification",
    why: "Calls that a container has disabled go to the ServiceOS by it; without it containers have no profile (syscalls).",
    evidence: "/proc/sys/kernel/seccomp/actions_avail",
    ask(machine) {
      const actions = machine.text("/proc/sys/kernel/seccomp/actions_avail");
      const result = machine.probes.syscall("seccompNotify");
      if (result !== null && result < 0) {
        return no(`refused (error ${-result})`, "run it outside of containers whose seccomp profile forbids it");
      }
      const isThere = result === 1 || result === null && actions?.split(" ").includes("user_notif");
      // Before, a signal took a call back that was being executed, and the program made it again.
      if (isThere && (machine.version === null || machine.isAtLeast(5, 19))) return yes("user_notif");
      return lacking("it needs Linux 5.19 with CONFIG_SECCOMP_FILTER=y");
    },
  },
  {
    id: "landlock",
    title: "Landlock",
    why: "Programs in containers can give up access to files by it, under every profile; nothing of ours needs it.",
    evidence: "/sys/kernel/security/lsm",
    ask(machine) {
      const modules = machine.text("/sys/kernel/security/lsm")?.split(",");
      const result = machine.probes.syscall("landlock");
      if (result !== null && result > 0) return yes(`version ${result}`);
      if (result === null && modules?.includes("landlock")) return yes("active");
      if (!machine.isAtLeast(5, 13)) {
        return lacking("it needs Linux 5.13 with CONFIG_SECURITY_LANDLOCK=y");
      }
      return partly(
        "not active",
        `boot with lsm=landlock,${modules?.filter((name) => name !== "capability").join(",") || "yama"} (needs CONFIG_SECURITY_LANDLOCK=y)`,
      );
    },
  },
];
