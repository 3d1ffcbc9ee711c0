import assert from "node:assert/strict";
import type { Person, Policy } from "../../../../lib/power/access/policy.ts";
import { parsePolicy } from "../../../../lib/power/access/policy_file.ts";
import type { SessionOptions } from "../../../../lib/power/access/session.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { intelWithKernel, PowerMachine, type PowerMachineParts } from "../machines.ts";

/** Who may everything. */
export const root: Person = { uid: 0, user: "root", groups: [] };
/** Who may set one limit, within bounds. */
export const alice: Person = { uid: 1000, user: "alice", groups: ["1000"] };
/** The one limit. */
export const aliceMay = { name: "package0/power-limit", min: 100, max: 120 } as const;
/** Of these two. */
export const policy: Policy = await parsePolicy(`
users:
  0: { set: { "*": any } }
  alice: { read: ["package0/*"], set: { "${aliceMay.name}": { min: ${aliceMay.min}, max: ${aliceMay.max} } } }
`);

/** A machine with its registry and a directory for the journal. */
export class Site implements Disposable {
  readonly machine: PowerMachine;
  readonly registry: Registry;
  readonly directory = Deno.makeTempDirSync({ prefix: "nodeos-power-journal-", dir: "/dev/shm" });
  constructor(parts: PowerMachineParts = intelWithKernel, Machine: typeof PowerMachine = PowerMachine) {
    this.machine = new Machine(parts);
    this.registry = Registry.open(this.machine);
  }
  options(person: Person = root): SessionOptions {
    return { kernel: this.machine, registry: this.registry, directory: this.directory, policy, person };
  }
  [Symbol.dispose](): void {
    this.registry[Symbol.dispose]();
    this.machine[Symbol.dispose]();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** A process that sets power on a site, and waits to be ended. */
export async function writerOf(site: Site, ...settings: string[]): Promise<Deno.ChildProcess> {
  return await started("writer.ts", site, settings);
}

/** A process that sets power on a site at random until it is killed. */
export async function busyWriterOf(site: Site, seed: number): Promise<Deno.ChildProcess> {
  return await started("busy_writer.ts", site, [`${seed}`]);
}

async function started(name: string, site: Site, words: readonly string[]): Promise<Deno.ChildProcess> {
  const program = new URL(`./${name}`, import.meta.url).pathname;
  const args = ["run", "-q", "-A", program, site.machine.base, site.directory, ...words];
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  assert.equal(new TextDecoder().decode(value), "set\n");
  return child;
}
