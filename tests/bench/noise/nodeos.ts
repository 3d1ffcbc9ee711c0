import { formatCpuList } from "../../../lib/kernel/cpulist.ts";
import { cannotIsolate, checkout } from "../../host.ts";
import { run } from "./commands.ts";
import { type Cpus, prefix, type Way } from "./place.ts";

/** A ServiceOS for the load, a container for the program. */
export function nodeos({ cpu, others }: Cpus, scheduling: "fair" | "cooperative"): Way {
  return {
    name: `nodeos, ${scheduling}`,
    missing: cannotIsolate,
    async enter() {
      const directory = Deno.makeTempDirSync({ prefix: `${prefix}${Deno.pid}-` });
      const command = (...args: string[]) => nodeosCommand(directory, ...args);
      const leave = () => takeDown(directory);
      try {
        const containers = [{ name: "bench", cpus: `${cpu}`, features: { scheduling } }];
        const spec = { apiVersion: "nodeos/v1", service: { cpus: formatCpuList(others) }, containers };
        Deno.writeTextFileSync(`${directory}/spec.yaml`, JSON.stringify(spec));
        await run(command("up", `${directory}/spec.yaml`));
      } catch (error) {
        await leave();
        throw error;
      }
      const exec = (name: string) => (argv: readonly string[]) => command("exec", name, "--", ...argv);
      return { program: exec("bench"), load: exec("service"), [Symbol.asyncDispose]: leave };
    },
  };
}

function nodeosCommand(stateDirectory: string, ...args: string[]): string[] {
  const nodeos = [Deno.execPath(), "run", "-q", "-A", `${checkout}scripts/nodeos.ts`];
  return ["env", `NODEOS_STATE=${stateDirectory}`, ...nodeos, ...args];
}

/** Takes down what has its state in a directory, and removes that. */
export async function takeDown(stateDirectory: string): Promise<void> {
  await run(nodeosCommand(stateDirectory, "down", "--all", "--grace", "0"));
  Deno.removeSync(stateDirectory, { recursive: true });
}
