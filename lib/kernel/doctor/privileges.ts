import type { Capability, Machine } from "./machine.ts";
import { no, notCaptured, type Question, yes } from "./question.ts";

/** Capabilities that single abilities of ours need, and the ability. */
const uses: Readonly<Record<Capability, string>> = {
  SYS_ADMIN: "Without it system calls cannot be forwarded, devices managed or every process's threads listed.",
  SYS_NICE: "Without it cooperative and deadline scheduling are refused, and no affinity of others can be changed.",
  SYS_RESOURCE: "Without it limits on locked memory stay, so page buffers cannot be locked.",
  SYS_PTRACE: "Without it the memory of a forwarded caller cannot be read, so its system calls cannot be forwarded.",
  SYS_RAWIO: "Without it the processor's registers (MSRs) cannot be read, so power is neither measured nor capped through them.",
  PERFMON: "Without it energy and noise counters of the whole machine cannot be opened.",
};

/** One question per capability. */
export const privilegeQuestions: readonly Question[] = (Object.keys(uses) as Capability[]).map((capability) => ({
  id: `cap-${capability.toLowerCase().replaceAll("_", "-")}`,
  title: `CAP_${capability}`,
  why: uses[capability],
  // Nothing on a captured machine shows it; askers get null.
  evidence: "/proc",
  ask(machine: Machine) {
    if (machine.can(capability) === null) return notCaptured;
    // Until 5.8 CAP_SYS_ADMIN was what CAP_PERFMON is now, and it still implies it.
    if (machine.can(capability) || capability === "PERFMON" && machine.can("SYS_ADMIN")) return yes("effective");
    const fix = machine.probes.uid === 0
      ? `start the surrounding container with --cap-add ${capability}`
      : "run it as root: sudo nodeos ...";
    return no("missing", fix);
  },
}));
