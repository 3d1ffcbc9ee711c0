import assert from "node:assert/strict";
import { compose } from "./compose.ts";
import { descriptions } from "./descriptions.ts";
import { machine } from "./machine.ts";

for (const [name, describe] of Object.entries(descriptions)) {
  Deno.test(`the tree of ${name} is on disk as it was composed`, () => {
    const base = machine(name).base;
    for (const [path, content] of compose(describe())) {
      if (typeof content === "string") assert.equal(Deno.readTextFileSync(base + path), content, path);
      else assert.equal(Deno.readLinkSync(base + path), content.link, path);
    }
  });
}
