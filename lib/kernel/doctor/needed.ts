import { hierarchyOf } from "../cgroup.ts";
import type { Machine, Probes } from "./machine.ts";
import { type Answer, no, notCaptured, onlyAnotherKernel, partly, type Question, unknown, yes } from "./question.ts";
import { controllerAnswer, mountFix, version2Fix } from "./cgroups.ts";

const installCompiler = "apt-get install gcc libc6-dev (Debian, Ubuntu), or dnf install gcc glibc-devel (Fedora, RHEL)";

/** The library and the compiler: what can be asked without reading the kernel's files. */
export const toolQuestions: readonly (Omit<Question, "ask" | "evidence"> & { ask(probes: Probes): Answer })[] = [
  {
    id: "library",
    title: "Native library",
    why: "Everything that nodeos asks of the kernel goes through libnodeos; without it nothing can be looked at or changed.",
    essential: true,
    ask({ library, compiler }) {
      if (library === null) return notCaptured;
      if (library.problem === null) return yes(library.path);
      if (library.problem.includes("--allow-ffi")) return no(library.problem, "deno task -q nodeos doctor, which brings the permissions");
      return no(library.problem, compiler === null ? `${installCompiler}; then deno task build` : "deno task build");
    },
  },
  {
    id: "compiler",
    title: "C compiler",
    why: "The native library is compiled on first use; without a compiler a ready one has to be named by NODEOS_LIB.",
    ask({ compiler }) {
      if (compiler === undefined) return notCaptured;
      if (compiler === null) return no("no gcc, cc or clang in PATH", installCompiler);
      return compiler.endsWith("gcc")
        ? yes(compiler)
        : partly(compiler, `CC=${compiler} deno task build`, "The library is built with gcc unless CC names another compiler.");
    },
  },
];

/** What a plain `nodeos run` needs of the machine. */
export const neededQuestions: readonly Question[] = [
  {
    id: "kernel",
    title: "Linux kernel",
    why:
      "Programs are born in their container by clone3 (5.7), kernel files are opened by openat2 (5.6), containers stop at once by cgroup.kill (5.14).",
    essential: true,
    evidence: "/proc/sys/kernel/osrelease",
    ask(machine) {
      const release = machine.text("/proc/sys/kernel/osrelease");
      if (release === null || machine.version === null) return unknown("its version cannot be read");
      for (const call of ["openat2", "clone3", "pidfdOpen"] as const) {
        if (machine.probes.syscall(call) !== 0) continue;
        return no(
          `${release}, which refuses ${call}`,
          "a newer kernel, or the seccomp profile of the surrounding container (docker run --security-opt seccomp=unconfined)",
        );
      }
      if (!machine.isAtLeast(5, 7)) return no(release, onlyAnotherKernel("boot Linux 5.14 or later"));
      if (!machine.isAtLeast(5, 14)) {
        return partly(
          release,
          onlyAnotherKernel("boot Linux 5.14 or later"),
          "Without cgroup.kill (5.14) a container stops process by process, which a fork bomb outruns.",
        );
      }
      return yes(release);
    },
  },
  {
    id: "cgroups",
    title: "Control groups",
    why:
      "A container is a control group; version 1 works, but with it siblings are not trimmed by the kernel and all CPUs share one switch for load balancing.",
    essential: true,
    evidence: "/proc/self/mountinfo",
    ask: askCgroups,
  },
  {
    id: "cpuset",
    title: "CPU sets",
    why: "Exclusive CPUs and memory nodes are properties of a cpuset; without one a container shares its cores with everything.",
    essential: true,
    evidence: "/proc/self/mountinfo",
    ask: (machine) => controllerAnswer(machine, "cpuset"),
  },
  {
    id: "privileges",
    title: "Privileges",
    why: "Making a container writes to the control groups, and keeping others off its CPUs moves their processes: both are for root.",
    essential: true,
    evidence: "/proc/self/mountinfo",
    ask: askPrivileges,
  },
];

function askCgroups(machine: Machine): Answer {
  const { mode, hierarchies } = machine.inventory.cgroups;
  if (mode === "none") return no("none is mounted", mountFix(machine));
  const home = hierarchyOf(machine.inventory.cgroups, "cpuset") ?? hierarchies[0];
  if (machine.mounts.some(({ path, readOnly }) => path === home.mount && readOnly)) {
    return no(`${home.mount} is mounted read-only`, `mount -o remount,rw ${home.mount} (in Docker or Podman: start it with --privileged)`);
  }
  if (mode === "v2") return yes(`version 2 at ${home.mount}`);
  const found = mode === "v1" ? "version 1" : `version 1 and 2 (hybrid), cpusets in version ${home.version}`;
  return home.version === 2 ? yes(found) : partly(found, version2Fix(machine));
}

function askPrivileges(machine: Machine): Answer {
  const { uid } = machine.probes;
  if (uid === null) return notCaptured;
  const home = hierarchyOf(machine.inventory.cgroups, "cpuset") ?? machine.inventory.cgroups.hierarchies[0];
  const writable = home !== undefined && machine.files.exists(home.mount, "write");
  if (uid !== 0) {
    const found = `user ${uid}`;
    if (!writable) return no(found, "run it as root: sudo nodeos ...");
    return partly(
      `${found}, who may write ${home.mount}`,
      "run it as root: sudo nodeos ...",
      "Containers can be made here, but what others run on their CPUs cannot be moved away.",
    );
  }
  const map = machine.text("/proc/self/uid_map")?.split(/\s+/).join(" ");
  if (map !== undefined && map !== "0 0 4294967295") {
    return (writable ? partly : no)("root of a user namespace only", "start it outside of the user namespace (rootless container)");
  }
  if (machine.can("SYS_ADMIN") === false) {
    return partly("root without CAP_SYS_ADMIN", "start the surrounding container with --privileged, or --cap-add SYS_ADMIN");
  }
  return yes("root");
}
