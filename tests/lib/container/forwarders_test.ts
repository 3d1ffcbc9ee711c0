import assert from "node:assert/strict";
import { Forwarders } from "../../../lib/container/forwarders.ts";
import type { Forwarding } from "../../../lib/container/forwarding_seat.ts";
import { resolve } from "../../../lib/container/resolve.ts";
import type { ContainerSpec, NodeRequest } from "../../../lib/container/spec.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { addHolding, emptyLedger, type Ledger } from "../../../lib/plan/ledger.ts";
import { FakeKernel } from "../../fake_kernel.ts";

const owner = { pid: 7, startTicks: "8" };

/** Writes down what is asked of it. */
class Recorded {
  readonly asked: string[] = [];
  loads = 0;

  readonly forwarders = new Forwarders(new FakeKernel({ version: 2, cpuCount: 8 }), "/state", () => {
    this.loads++;
    return Promise.resolve(this.#forwarding);
  });

  readonly #forwarding: Forwarding = {
    check: ({ containers }) => this.#note(`check ${containers.map(({ name }) => name)}`),
    start: (directory, { name }, { cpus, cgroup }) => this.#note(`start ${directory} ${name} on ${cpus} in ${cgroup}`),
    stay: (directory) => this.#note(`stay ${directory}`),
    place: (directory, cpus) => void this.#note(`place ${directory} ${cpus}`),
    stop: (directory) => this.#note(`stop ${directory}`),
  };

  #note(what: string): Promise<void> {
    this.asked.push(what);
    return Promise.resolve();
  }

  /** A ledger with containers on a fake machine of eight CPUs. */
  ledger(request: NodeRequest): { ledger: Ledger; specs: ContainerSpec[] } {
    const empty = emptyLedger("boot");
    const specs = resolve(new Inventory(this.forwarders.kernel), empty, request);
    const ledger = specs.reduce(
      (sum, spec) => addHolding(sum, { name: spec.name, owner: null, spec, createdAtMs: 0, steps: stepsOf(spec) }),
      empty,
    );
    return { ledger, specs };
  }
}

function stepsOf({ name }: ContainerSpec) {
  return [{ kind: "cgroup" as const, what: `/sys/fs/cgroup/nodeos-${name}`, from: null, to: "", why: "" }];
}

const lean = { profile: "lean" };
const request = (...containers: NodeRequest["containers"]): NodeRequest => ({ containers });

Deno.test("Forwarders load nothing where nobody wishes a profile", async () => {
  const recorded = new Recorded();
  const plain = request({ name: "plain", cpus: [1] });
  const { ledger, specs } = recorded.ledger(plain);
  await recorded.forwarders.check(plain);
  await recorded.forwarders.start(ledger, specs, owner, "persistent");
  await recorded.forwarders.place(ledger);
  assert.deepEqual([recorded.loads, recorded.asked], [0, []]);
});

Deno.test("Forwarders run on CPUs that no container has, and stay where their container does", async () => {
  const recorded = new Recorded();
  const { ledger, specs } = recorded.ledger(request({ name: "plain", cpus: [1] }, { name: "sim", cpus: [4, 5], syscalls: lean }));
  await recorded.forwarders.start(ledger, specs, owner, "process");
  await recorded.forwarders.start(ledger, specs, owner, "persistent");
  const started = "start /state/forward/sim sim on 0,2,3,6,7 in undefined";
  assert.deepEqual(recorded.asked, [started, started, "stay /state/forward/sim"]);
});

Deno.test("Forwarders run in the ServiceOS's cgroup, on its CPUs, where it has one", async () => {
  const recorded = new Recorded();
  const { ledger, specs } = recorded.ledger(
    { ...request({ name: "sim", cpus: [4, 5], syscalls: lean }), serviceCpus: [0, 1] },
  );
  await recorded.forwarders.start(ledger, specs, owner, "process");
  assert.deepEqual(recorded.asked, ["start /state/forward/sim sim on 0,1 in /sys/fs/cgroup/nodeos-service"]);
});

Deno.test("Forwarders leave CPUs that another container gets, and get those that one leaves", async () => {
  const recorded = new Recorded();
  const both = recorded.ledger(request({ name: "sim", cpus: [4], syscalls: lean }, { name: "plain", cpus: [2, 3] }));
  await recorded.forwarders.place(both.ledger);
  await recorded.forwarders.place({ ...both.ledger, holdings: both.ledger.holdings.slice(0, 1) });
  assert.deepEqual(recorded.asked, ["place /state/forward/sim 0,1,5,6,7", "place /state/forward/sim 0,1,2,3,5,6,7"]);
});

Deno.test("Forwarders end in the directory of their container", async () => {
  const recorded = new Recorded();
  await recorded.forwarders.stop("sim");
  assert.deepEqual(recorded.asked, ["stop /state/forward/sim"]);
});
