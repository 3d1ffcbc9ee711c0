import fc from "fast-check";
import { errno, errnoText } from "../../../ffi/errors.ts";
import { Node } from "../../../lib/container/node.ts";
import type { ContainerRequest, NodeRequest } from "../../../lib/container/spec.ts";
import type { SchedulingWish } from "../../../lib/feature/scheduling.ts";
import type { Holding, NodeHolding } from "../../../lib/plan/ledger.ts";
import { FakeKernel, type FakeMachine, type Fault } from "../../fake_kernel.ts";

// The sanitizer of tests would take the library, loaded with the first error of a fake, for a leak.
errnoText(errno.EPERM);

/** Where state is kept on a machine as well: on a disk, these tests take ten times as long. */
const inMemory = isDirectory("/dev/shm") ? "/dev/shm" : undefined;

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** A fake machine with a state directory of its own, which is removed when disposed. */
export class World implements Disposable {
  readonly kernel: FakeKernel;
  readonly directory = Deno.makeTempDirSync({ dir: inMemory, prefix: "nodeos-world-" });

  constructor(machine: FakeMachine) {
    this.kernel = new FakeKernel(machine);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }

  /** As a new process finds it. */
  node(): Node {
    return new Node(this.kernel, this.directory);
  }

  /** The machine, and what the ledger says, without the moments of creation. */
  state(): { machine: Record<string, string>; holdings: Omit<Holding, "createdAtMs">[]; node?: NodeHolding } {
    const { holdings, node } = this.node().ledger();
    return { machine: this.kernel.snapshot(), holdings: holdings.map(({ createdAtMs: _, ...rest }) => rest), node };
  }

  /**
   * Does something, and meets a fault at its `at`-th change. After a kill the process is another one: nothing that the
   * dead one still did is left. Returns whether the fault was met, or would have been.
   *
   * @param spares Paths at which it is not met.
   */
  async meet(at: number, fault: Fault, action: () => Promise<unknown>, spares?: RegExp): Promise<boolean> {
    this.kernel.changeCount = 0;
    this.kernel.fault = (change, path) => change === at && !spares?.test(path) ? fault : undefined;
    await this.#survive(action);
    this.kernel.fault = () => undefined;
    return this.kernel.changeCount >= at;
  }

  /** Does something, and is killed when it looks at the machine, or changes it, for the `at`-th time. */
  async killAt(at: number, action: () => Promise<unknown>): Promise<void> {
    this.kernel.momentCount = 0;
    this.kernel.killAt = at;
    await this.#survive(action);
    this.kernel.killAt = Infinity;
  }

  async #survive(action: () => Promise<unknown>): Promise<void> {
    const path = `${this.directory}/ledger.json`;
    let ledger: string | null = null;
    this.kernel.onKill = () => ledger = textOf(path);
    const { setTimeout } = globalThis;
    // The dead wait for nothing.
    globalThis.setTimeout = ((callback: () => void, ms: number) => setTimeout(callback, this.kernel.isDead ? 0 : ms)) as typeof setTimeout;
    try {
      // Whether it notices is its own matter; what it leaves behind is ours.
      await action().catch(() => {});
    } finally {
      globalThis.setTimeout = setTimeout;
    }
    if (!this.kernel.isDead) return;
    if (ledger === null) removeIfThere(path);
    else Deno.writeTextFileSync(path, ledger);
    const { changeCount } = this.kernel;
    this.kernel.restart();
    this.kernel.changeCount = changeCount;
  }

  /** How many changes an action asks for. */
  async count(action: () => Promise<unknown>): Promise<number> {
    this.kernel.changeCount = 0;
    await action();
    return this.kernel.changeCount;
  }

  /** How often an action looks at the machine or changes it. */
  async countMoments(action: () => Promise<unknown>): Promise<number> {
    this.kernel.momentCount = 0;
    await action();
    return this.kernel.momentCount;
  }
}

function textOf(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Machines of either version, with and without what newer kernels have. */
export const machines: fc.Arbitrary<FakeMachine> = fc.record({
  version: fc.constantFrom<(1 | 2)[]>(1, 2),
  cpuCount: fc.integer({ min: 3, max: 10 }),
  nodeCount: fc.integer({ min: 1, max: 2 }),
  rtGroups: fc.boolean(),
  exclusiveCpus: fc.boolean(),
  fairServer: fc.boolean(),
  enabled: fc.subarray(["cpuset", "memory", "pids"]),
});

/** A machine, and a request that it can meet. */
export const situations: fc.Arbitrary<{ machine: FakeMachine; request: NodeRequest }> = machines.chain((machine) =>
  fc.record({ machine: fc.constant(machine), request: requestsFor(machine) })
);

/** Requests that a machine can meet. */
export function requestsFor(machine: FakeMachine): fc.Arbitrary<NodeRequest> {
  const { version, cpuCount, nodeCount = 1, rtGroups } = machine;
  const wishes = fc.record({
    nodes: fc.subarray([...Array(nodeCount).keys()], { minLength: 1 }),
    memoryBytes: fc.option(fc.integer({ min: 1 << 20, max: 1 << 30 }), { nil: undefined }),
    pidsMax: fc.option(fc.integer({ min: 1, max: 4096 }), { nil: undefined }),
    scheduling: fc.constantFrom<SchedulingWish[]>(
      { policy: "fair" },
      { policy: "fair", nice: 5 },
      { policy: "cooperative", throttle: "lift" },
      { policy: "cooperative", throttle: "keep" },
      ...(version === 2 ? [{ policy: "deadline", runtimeNs: 1e6, deadlineNs: 1e7, periodNs: 1e7 } as const] : []),
    ),
    loadBalancing: fc.constantFrom("on" as const, "off" as const),
  }).map((wish) => wish.scheduling.policy === "deadline" ? { ...wish, loadBalancing: "on" as const } : wish);
  return fc.record({
    // CPU 0 stays with the ServiceOS; each other one goes to a container, or to nobody.
    owners: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: cpuCount - 1, maxLength: cpuCount - 1 }).filter((owners) =>
      owners.some(Boolean)
    ),
    wishes: fc.tuple(wishes, wishes, wishes),
    service: fc.boolean(),
  }).map(({ owners, wishes, service }) => {
    const containers: ContainerRequest[] = [];
    for (const [index, wish] of wishes.entries()) {
      const cpus = owners.flatMap((owner, cpu) => owner === index + 1 ? [cpu + 1] : []);
      // A group's real-time budget comes out of its parent's: there is only enough for one.
      const taken = version === 1 && rtGroups && containers.some(({ scheduling }) => scheduling?.policy === "cooperative");
      const scheduling: SchedulingWish = taken ? { policy: "fair" } : wish.scheduling;
      if (cpus.length > 0) containers.push({ ...wish, scheduling, name: `c${index}`, cpus });
    }
    return { containers, ...(service ? { serviceCpus: [0] } : {}) };
  });
}
