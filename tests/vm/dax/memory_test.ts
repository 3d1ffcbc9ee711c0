import assert from "node:assert/strict";
import { wait } from "../../../ffi/launch.ts";
import { decideMemoryChange } from "../../../lib/container/grant.ts";
import { Node } from "../../../lib/container/node.ts";
import type { ContainerSpec } from "../../../lib/container/spec.ts";
import { guestTest, isGuest, kernel, nodeos, nodeosOutput, stateDirectory } from "../guest.ts";
import { readFree } from "../memory_inspector.ts";

const driver = "/sys/bus/dax/drivers/device_dax";
const mib = 2 ** 20;
const user = { uid: 1000, gid: 1000 };

/** The kernel leaves such memory to whoever wants to add it to its own; somebody has to say that it is a device. */
function bind(): void {
  if (kernel.exists(`${driver}/dax0.0`)) return;
  kernel.write(`${driver}/new_id`, "dax0.0");
  if (!kernel.exists(`${driver}/dax0.0`)) kernel.write(`${driver}/bind`, "dax0.0");
}
if (isGuest) bind();

const ownerOf = () => {
  const { uid, mode } = Deno.statSync("/dev/dax0.0");
  return `${uid} ${(mode! & 0o777).toString(8)}`;
};

/** Maps the object by its name, as its user: prints the first word of each MiB that is not zero, and writes its own there. */
const script = (word: string) => `
import mmap, os, sys
path = os.environ["NODEOS_MEMORY"] + "/devdax/near"
fd = os.open(path, os.O_RDWR)
memory = mmap.mmap(fd, 256 << 20)
other = [i for i in range(256) if memory[i << 20:(i << 20) + 8] != bytes(8)]
for i in range(256): memory[i << 20:(i << 20) + 8] = b"${word}"
open("/tmp/said", "w").write("%d %d" % (os.getuid(), len(other)))`;

guestTest("memory: a device that the kernel never had is lent to a user's programs, filled with zeroes between its owners", async () => {
  const free = readFree();
  const node = new Node(kernel, stateDirectory);
  const containers = ["a", "b"].map((name, index) => ({ name, cpus: [2 + 2 * index, 3 + 2 * index] }));
  await node.up({ containers }, "persistent");
  assert.equal(ownerOf(), "0 600");
  for (const [name, word] of [["a", "secret-a"], ["b", "secret-b"]] as const) {
    await node.change((inventory, ledger) => {
      const unit = { bytes: 256 * mib, object: "near", backend: "devdax" as const };
      const spec = decideMemoryChange(inventory, ledger, name, { kind: "grant", unit });
      return [{ ...spec, memory: { ...spec.memory!, owner: user } }];
    });
    const { units } = (node.find(name).spec as ContainerSpec).memory!;
    assert.deepEqual(units.map(({ id, backend, device, bytes }) => [id, backend, device, bytes]), [[
      "near",
      "devdax",
      "dax0.0",
      256 * mib,
    ]]);
    assert.equal(ownerOf(), "1000 600");
    assert.equal(Deno.readLinkSync(`/run/nodeos/memory/${name}/devdax/near`), "/dev/dax0.0");
    // Twice: the second program of the same owner finds what the first one wrote.
    for (const found of [0, 256]) {
      Deno.writeTextFileSync("/tmp/said", "");
      Deno.chmodSync("/tmp/said", 0o666);
      const program = node.start(name, { argv: ["/usr/bin/python3", "-c", script(word)], credentials: user });
      assert.equal(wait(program, program.placement).code, 0);
      assert.equal(Deno.readTextFileSync("/tmp/said"), `1000 ${found}`);
    }
    const other = name === "a" ? "b" : "a";
    const { code, err } = await nodeos("memory", "grant", other, "near=256MiB:devdax");
    assert.equal(code, 1, err);
    assert.match(err, /no free device/);
    await nodeosOutput("memory", "revoke", name, "near");
    assert.equal(ownerOf(), "0 600");
    assert.deepEqual(node.verify().flatMap(({ drift }) => drift), []);
  }
  await node.down([], 0);
  assert.equal(ownerOf(), "0 600");
  assert.deepEqual(readFree(), free);
  Deno.removeSync("/tmp/said");
});

guestTest("memory: a device that somebody maps is not taken, and goes back when its container does", async () => {
  const free = readFree();
  const node = new Node(kernel, stateDirectory);
  await node.up({
    containers: [{ name: "a", cpus: [2, 3], memory: { units: [{ bytes: 256 * mib, object: "near", backend: "devdax" }], owner: user } }],
  }, "persistent");
  const argv = ["/usr/bin/python3", "-c", `${script("secret-c")}\nimport time; time.sleep(1000)`];
  Deno.writeTextFileSync("/tmp/said", "");
  Deno.chmodSync("/tmp/said", 0o666);
  const program = node.start("a", { argv, credentials: user });
  while (Deno.readTextFileSync("/tmp/said") === "") await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(Deno.readTextFileSync("/tmp/said"), "1000 0", "what the container before wrote is gone");
  const { code, err } = await nodeos("memory", "revoke", "a", "near");
  assert.equal(code, 1);
  assert.match(err, /object near is mapped by python3/);
  await node.down([], 0);
  wait(program);
  assert.equal(ownerOf(), "0 600");
  assert.deepEqual(readFree(), free);
  Deno.removeSync("/tmp/said");
});
