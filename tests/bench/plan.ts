import { planRequest } from "../../lib/container/planning.ts";
import { quietPreset } from "../../lib/feature/node_features.ts";
import { emptyLedger } from "../../lib/plan/ledger.ts";
import { machine } from "../machines/machine.ts";
import { type Group, inTurns } from "./measure.ts";

const containerCount = 16;

/** Plans 16 containers on a captured machine of 256 CPUs and 8 nodes. There is no rival: no other tool plans. */
export function benchPlan(): Group[] {
  const files = machine("big-256");
  const names = Array.from({ length: containerCount }, (_, index) => `c${index}`);
  const quiet = Object.fromEntries(quietPreset.map((name) => [name, true]));
  const containers = names.map((name) => ({ name, cpuCount: 15, memoryBytes: 2 ** 30, quiet }));
  const spec = Deno.makeTempFileSync({ suffix: ".yaml" });
  Deno.writeTextFileSync(spec, yaml(names));
  const words = ["run", "-q", "-P=admin", "scripts/nodeos.ts", "plan", "--input", files.base, spec];
  const command = new Deno.Command(Deno.execPath(), { args: words, stdout: "null" });
  try {
    const series = inTurns({
      "the plan": () => timeNs(() => planRequest(files, emptyLedger("bench"), { serviceCpus: [...Array(16).keys()], containers })),
      "the whole command, nodeos plan": () =>
        timeNs(() => {
          if (!command.outputSync().success) throw new Error("nodeos plan failed");
        }),
    }, 20);
    const title =
      `Plan ${containerCount} containers, each with preset quiet, on 256 CPUs and 8 NUMA nodes (inventory, choice of CPUs, steps)`;
    return [{ title, series, notes: [] }];
  } finally {
    Deno.removeSync(spec);
  }
}

function timeNs(action: () => void): number {
  const from = performance.now();
  action();
  return (performance.now() - from) * 1e6;
}

function yaml(names: readonly string[]): string {
  const containers = names.map((name) => `  - { name: ${name}, cpuCount: 15, memory: { limit: 1GiB }, features: { preset: quiet } }`);
  return `apiVersion: nodeos/v1\nservice: { cpus: "0-15" }\ncontainers:\n${containers.join("\n")}\n`;
}
