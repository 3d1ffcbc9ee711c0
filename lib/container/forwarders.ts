import { Inventory } from "../kernel/inventory.ts";
import type { Kernel } from "../plan/driver.ts";
import { holdingOf, type Ledger, type Owner } from "../plan/ledger.ts";
import { type Forwarding, forwardingDirectory, type ForwardingSeat } from "./forwarding_seat.ts";
import { specsOf } from "./ledger_specs.ts";
import { seatsOf } from "./seats.ts";
import { type ContainerSpec, type Lifetime, type NodeRequest, serviceName } from "./spec.ts";

/** What forwards the system calls of a node's containers, each one's on CPUs that no container has. */
export class Forwarders {
  /**
   * The forwarders of one machine and one state directory.
   *
   * @param load Loads what forwards, when somebody wishes it.
   */
  constructor(readonly kernel: Kernel, readonly stateDirectory: string, readonly load: () => Promise<Forwarding>) {}

  /** Checks the wishes of a request. Throws a `SpecError` with every issue. */
  async check(request: NodeRequest): Promise<void> {
    if (request.containers.some(({ syscalls }) => syscalls !== undefined)) await (await this.load()).check(request);
  }

  /** Starts the forwarders of new containers: on the ServiceOS's CPUs, in its cgroup where it has one. */
  async start(ledger: Ledger, specs: readonly ContainerSpec[], owner: Owner, lifetime: Lifetime): Promise<void> {
    const wishing = specs.filter(({ syscalls }) => syscalls !== undefined);
    if (wishing.length === 0) return;
    const forwarding = await this.load();
    const seat = this.#seat(ledger, owner);
    for (const spec of wishing) await forwarding.start(this.#directory(spec.name), spec, seat);
    if (lifetime === "process") return;
    for (const { name } of wishing) await forwarding.stay(this.#directory(name));
  }

  /** Gives the forwarders that run the CPUs that no container has now: those that one lost, and those that one left. */
  async place(ledger: Ledger): Promise<void> {
    const wishing = specsOf(ledger).filter(({ syscalls }) => syscalls !== undefined);
    if (wishing.length === 0) return;
    const forwarding = await this.load();
    const cpus = this.#cpus(new Inventory(this.kernel), ledger);
    for (const { name } of wishing) forwarding.place(this.#directory(name), cpus);
  }

  /** Ends the forwarder of a container. */
  async stop(name: string): Promise<void> {
    await (await this.load()).stop(this.#directory(name));
  }

  #directory(name: string): string {
    return forwardingDirectory(this.stateDirectory, name);
  }

  #seat(ledger: Ledger, owner: Owner): ForwardingSeat {
    const inventory = new Inventory(this.kernel);
    const service = holdingOf(ledger, serviceName);
    return { ...service && seatsOf(inventory, service), cpus: this.#cpus(inventory, ledger), owner };
  }

  #cpus(inventory: Inventory, ledger: Ledger): readonly number[] {
    const service = holdingOf(ledger, serviceName);
    if (service !== undefined) return (service.spec as ContainerSpec).cpus;
    const taken = new Set(specsOf(ledger).flatMap(({ cpus }) => cpus));
    return inventory.onlineCpus.filter((cpu) => !taken.has(cpu));
  }
}
