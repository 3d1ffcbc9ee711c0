import { SimulatedDevice } from "../../lib/power/simulated/device.ts";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";

/** How a program on a simulated package ended, and what it said. */
export interface Outcome {
  /** Exit status. */
  readonly code: number;
  /** Lines of standard output. */
  readonly out: string[];
  /** Standard error. */
  readonly err: string;
}

/** Whether there is such a file. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Why a package cannot be simulated as a device here, or `null` when it can. */
export const simulationLack: string | null = Deno.uid() !== 0
  ? "needs root"
  : !exists("/dev/fuse")
  ? "needs /dev/fuse"
  : await namespaceLack();

async function namespaceLack(): Promise<string | null> {
  const { success } = await new Deno.Command("unshare", { args: ["-m", "true"], stdout: "null", stderr: "null" }).output();
  return success ? null : "needs namespaces of mounts";
}

/** A test that needs a simulated device; skipped by name where there can be none, or for another reason. */
export function simulatedTest(name: string, fn: () => Promise<void>, otherLack: string | null = null): void {
  const why = simulationLack ?? otherLack;
  Deno.test({ name: why === null ? name : `${name} [${why}]`, ignore: why !== null, fn });
}

/** Words that a shell understands: reads and writes 8 bytes of a register of a CPU by plain system calls; begins in the first power zone. */
export const registerWords = `
read_register() { dd if=/dev/cpu/$1/msr iflag=skip_bytes skip=$(($2)) bs=\${3:-8} count=1 status=none | od -An -tx8 | tr -d ' '; }
write_register() {
  text=$(printf '%016x' $(($3)))
  for at in 14 12 10 8 6 4 2 0; do printf "\\\\x\${text:$at:2}"; done |
    dd of=/dev/cpu/$1/msr oflag=seek_bytes seek=$(($2)) bs=8 count=1 iflag=fullblock conv=notrunc status=none
}
cd /sys/class/powercap/intel-rapl:0
`;

/** Runs a program on simulated packages to its end. */
export async function runSimulated(
  packages: readonly SimulatedPackage[],
  command: readonly string[],
  { timeScale = 1, env = {} }: { timeScale?: number; env?: Record<string, string> } = {},
): Promise<Outcome> {
  await using device = new SimulatedDevice(packages, command, {
    timeScale,
    process: { stdin: "null", stdout: "piped", stderr: "piped", env: { LC_ALL: "C", ...env } },
  });
  const [out, err, code] = await Promise.all([
    new Response(device.child.stdout).text(),
    new Response(device.child.stderr).text(),
    device.ended(),
  ]);
  return { code, out: out.trim().split("\n"), err };
}
