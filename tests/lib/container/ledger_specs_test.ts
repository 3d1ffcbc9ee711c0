import assert from "node:assert/strict";
import { findHolding, findSpec, specsOf } from "../../../lib/container/ledger_specs.ts";
import { NoSuchObjectError } from "../../../lib/errors.ts";
import { emptyLedger, type Ledger } from "../../../lib/plan/ledger.ts";

/** A ledger of containers of these names. */
function ledgerOf(...names: string[]): Ledger {
  return { ...emptyLedger("boot"), holdings: names.map((name) => ({ name, owner: null, spec: { name }, createdAtMs: 0, steps: [] })) };
}

Deno.test("findHolding() and findSpec() know a container by its name, and specsOf() all of them", () => {
  const ledger = ledgerOf("sim", "viz");
  assert.equal(findHolding(ledger, "viz"), ledger.holdings[1]);
  assert.equal(findSpec(ledger, "viz"), ledger.holdings[1].spec);
  assert.deepEqual(specsOf(ledger).map(({ name }) => name), ["sim", "viz"]);
});

Deno.test("findHolding() says which containers there are when it finds none", () => {
  const refused = (ledger: Ledger, name: string) => {
    try {
      findHolding(ledger, name);
    } catch (error) {
      assert(error instanceof NoSuchObjectError);
      return `${error.message} | ${error.remedy}`;
    }
  };
  assert.deepEqual(
    [refused(ledgerOf("sim", "viz"), "smi\n"), refused(ledgerOf(), "sim"), refused(ledgerOf("sim"), "service")],
    [
      'Cannot find container "smi\\n" | There are: sim, viz',
      'Cannot find container "sim" | There is none; make one with nodeos up or nodeos run',
      'Cannot find container "service" | The ServiceOS has a cgroup once a specification gives it CPUs (service.cpus)',
    ],
  );
});
