import assert from "node:assert/strict";
import { currentPerson } from "../../../../lib/power/access/person.ts";
import { MemoryRoot } from "../../../machines/memory_root.ts";

function personOf(status: string, files: Readonly<Record<string, string>>) {
  const directory = Deno.makeTempDirSync();
  try {
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${directory}/${name}`, text);
    return currentPerson(new MemoryRoot({ "/proc/self/status": status }), directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const status = "Name:\tnodeos\nUid:\t0\t1000\t0\t0\nGid:\t5\t100\t100\t100\nGroups:\t100 2000 3000 \n";

Deno.test("currentPerson() is the effective user, with names and ids of all groups", () => {
  const files = {
    passwd: "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:100::/home/alice:/bin/sh\n",
    group: "users:x:100:\noperators:x:2000:alice\n",
  };
  assert.deepEqual(personOf(status, files), { uid: 1000, user: "alice", groups: ["users", "100", "operators", "2000", "3000"] });
});

Deno.test("currentPerson() takes ids for names where there are none, and strange lines for nothing", () => {
  assert.deepEqual(personOf(status, {}), { uid: 1000, user: "1000", groups: ["100", "2000", "3000"] });
  assert.deepEqual(personOf(status, { passwd: "broken\n\n::1000\n", group: "x\n:x:100:\n" }), {
    uid: 1000,
    user: "1000",
    groups: ["100", "2000", "3000"],
  });
});
