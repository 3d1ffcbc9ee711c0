import { lacking, no, partly, type Question, yes } from "./question.ts";

/** What forwarding and confining system calls needs. */
export const callQuestions: readonly Question[] = [
  {
    id: "seccomp-notify",
    title: "System call notification",
    why:
      "Calls that a container has disabled are forwarded to the ServiceOS by it; without it only programs that link our runtime forward.",
    evidence: "/proc/sys/kernel/seccomp/actions_avail",
    ask(machine) {
      const actions = machine.text("/proc/sys/kernel/seccomp/actions_avail");
      const result = machine.probes.syscall("seccompNotify");
      if (result !== null && result < 0) {
        return no(`refused (error ${-result})`, "run it outside of containers whose seccomp profile forbids it");
      }
      if (result === 1 || result === null && actions?.split(" ").includes("user_notif")) return yes("user_notif");
      return lacking("it needs Linux 5.0 with CONFIG_SECCOMP_FILTER=y");
    },
  },
  {
    id: "landlock",
    title: "Landlock",
    why: "The threads that execute forwarded calls confine themselves by it; without it only their credentials hold them.",
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
