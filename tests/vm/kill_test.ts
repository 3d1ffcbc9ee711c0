import assert from "node:assert/strict";
import { Node } from "../../lib/container/node.ts";
import { Bystander, cgroups, delay, guestTest, kernel, nodeosCommand, read, stateDirectory } from "./guest.ts";

/** How often each command is killed; a start takes seconds in emulation. */
const moments = 4;

const spec = `apiVersion: nodeos/v1
containers:
  - { name: a, cpus: "2-3", memory: { limit: 256MiB }, features: { scheduling: cooperative } }
  - { name: b, cpus: "4-5", pids: 100 }
`;

/**
 * Starts a command, kills it some time after it has written to the ledger, and lets somebody who knows nothing put back
 * what it left. Returns the containers that were complete.
 */
async function killSomeTime(latestMs: number, args: readonly string[]): Promise<string[]> {
  const ledger = `${stateDirectory}/ledger.json`;
  const old = textOf(ledger);
  const child = nodeosCommand(args, "null").spawn();
  for (const from = performance.now(); textOf(ledger) === old; await delay(1)) {
    assert.ok(performance.now() - from < 30_000, `nodeos ${args.join(" ")} never wrote to the ledger`);
  }
  const ms = Math.random() * latestMs;
  await delay(ms);
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It was faster.
    if (!(error instanceof TypeError)) throw error;
  }
  await child.status;
  const node = new Node(kernel, stateDirectory);
  const { left } = await node.recover();
  const kept = node.ledger().holdings.map(({ name }) => name);
  console.log(`killed ${ms.toFixed(1)} ms after its first trace: ${kept.join() || "nothing"} kept`);
  assert.deepEqual(left, []);
  if (kept.length > 0) await node.down([], 0);
  assert.equal(read(`${cgroups}/cpuset.cpus.effective`), "0-7");
  return kept;
}

function textOf(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

guestTest("kill -9 of nodeos run, at any moment: its program ends, and the next command restores the node", async () => {
  await using _one = await new Bystander("1").ready();
  await using _both = await new Bystander("0,5").ready();
  for (let moment = 0; moment < moments; moment++) {
    const kept = await killSomeTime(400, ["run", "--cpus", "4-5", "--memory", "256MiB", "--", "sh", "-c", "sleep 100 & sleep 100"]);
    assert.deepEqual(kept, []);
  }
}, { killsWriters: true });

guestTest("kill -9 of nodeos up, at any moment: the next command finds all of its containers, or none", async () => {
  const file = Deno.makeTempFileSync({ suffix: ".yaml" });
  Deno.writeTextFileSync(file, spec);
  await using _one = await new Bystander("1").ready();
  await using _both = await new Bystander("0,5").ready();
  for (let moment = 0; moment < moments; moment++) {
    const kept = await killSomeTime(250, ["up", file]);
    assert.ok(kept.length === 0 || kept.join() === "a,b", `${kept}`);
  }
  Deno.removeSync(file);
}, { killsWriters: true });

guestTest("kill -9 of nodeos down, at any moment: the next command goes on with it", async () => {
  await using _one = await new Bystander("1").ready();
  await using _both = await new Bystander("0,5").ready();
  const node = new Node(kernel, stateDirectory);
  for (let moment = 0; moment < moments; moment++) {
    await node.up({ containers: [{ name: "a", cpus: [2, 3] }, { name: "b", cpus: [4, 5], memoryBytes: 2 ** 28 }] }, "persistent");
    await killSomeTime(150, ["down", "--all"]);
  }
}, { killsWriters: true });
