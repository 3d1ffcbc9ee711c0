import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { loadProfile, profileNames } from "../../../lib/syscall/profile.ts";

/** A directory with files; removed in the end. */
class Files implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "nodeos-profiles-" });

  constructor(files: Readonly<Record<string, string | Uint8Array>>) {
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      Deno.writeFileSync(this.path(name), bytes);
    }
  }

  path(name: string): string {
    return `${this.directory}/${name}`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

function message(name: string): string {
  try {
    loadProfile(name);
  } catch (error) {
    assert.ok(error instanceof UsageError, `${error}`);
    return error.message;
  }
  return assert.fail("accepted");
}

Deno.test("loadProfile() knows the profiles that come with us, each under its own name", () => {
  assert.deepEqual(profileNames, ["full", "lean", "cnk", "cnk-strict"]);
  for (const name of profileNames) {
    const profile = loadProfile(name);
    assert.equal(profile.name, name);
    assert.match(profile.doc, /^[A-Z].*\.?$/);
  }
});

Deno.test("loadProfile() puts a profile above what it extends, and takes the default from there", () => {
  const [strict, cnk] = [loadProfile("cnk-strict"), loadProfile("cnk")];
  assert.equal(cnk.layers.length, 2);
  assert.deepEqual(cnk.layers[0], strict.layers[0]);
  assert.deepEqual(cnk.default, { action: "deny", errno: "ENOSYS" });
});

Deno.test("loadProfile() reads files, and what they extend from their own directory", () => {
  using files = new Files({
    "base.yml": "name: base\ndefault: deny:EACCES\nallow: [getpid]\n",
    "mine.yaml": "name: mine\nextends: base.yml\ndefault: allow\n",
    "other.yaml": "name: other\nextends: ./mine.yaml\n",
    "ours.yaml": "name: ours\nextends: lean\n",
  });
  assert.deepEqual(loadProfile(files.path("base.yml")).default, { action: "deny", errno: "EACCES" });
  assert.deepEqual(loadProfile(files.path("mine.yaml")).default, { action: "allow" });
  const other = loadProfile(files.path("other.yaml"));
  assert.deepEqual([other.name, other.default.action, other.layers.length], ["other", "allow", 3]);
  assert.equal(other.layers[0].entries[0].place, `${files.path("base.yml")}:3:9`);
  assert.deepEqual(loadProfile(files.path("ours.yaml")).layers[0], loadProfile("lean").layers[0]);
});

Deno.test("loadProfile() reads a profile of any name by its path", () => {
  using files = new Files({ "lean.yaml": "name: mine\ndefault: allow\n", "bare": "name: bare\ndefault: allow\n" });
  assert.equal(loadProfile(files.path("lean.yaml")).name, "mine");
  assert.equal(loadProfile(files.path("bare")).name, "bare");
});

Deno.test("loadProfile() says that there is no such profile", () => {
  assert.equal(message("lea"), 'Cannot find the profile "lea"; did you mean "lean"?');
  assert.equal(message("toString"), 'Cannot find the profile "toString"');
  assert.equal(message(""), 'Cannot find the profile ""');
  assert.equal(message("./none.yaml"), 'Cannot read the profile "./none.yaml": there is no such file');
});

Deno.test("loadProfile() refuses files that are no profiles", () => {
  using files = new Files({
    "binary.yaml": Uint8Array.of(0xff, 0xfe, 0),
    "large.yaml": `name: large\ndefault: allow\n${"é".repeat(40_000)}`,
    "nowhere.yaml": "name: a\nextends: lea\n",
    "wrong.yaml": "name: a\nextends: b.yaml\n",
    "b.yaml": "name: b\ndefault: allow\nallow: [opnat]\n",
  });
  assert.match(message(files.path("binary.yaml")), /it is not UTF-8 text$/);
  assert.match(message(files.path("large.yaml")), /it is larger than 64 KiB$/);
  assert.match(message("/dev/zero"), /it is larger than 64 KiB$/);
  assert.match(message(`${files.directory}/`), /directory/i);
  assert.match(message(files.path("nowhere.yaml")), /Cannot find the profile "lea"/);
  assert.match(message(files.path("wrong.yaml")), /b\.yaml:3:9: /);
});

Deno.test("loadProfile() does not go in circles", () => {
  using files = new Files({
    "self.yaml": "name: self\nextends: self.yaml\n",
    "a.yaml": "name: a\nextends: b.yaml\n",
    "b.yaml": "name: b\nextends: ./a.yaml\n",
    ...Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`${index}.yaml`, `name: a\nextends: ${index + 1}.yaml\n`])),
    "9.yaml": "name: a\ndefault: allow\n",
  });
  assert.match(message(files.path("self.yaml")), /in a circle$/);
  assert.match(message(files.path("a.yaml")), /in a circle$/);
  assert.match(message(files.path("0.yaml")), /it extends too many$/);
  assert.equal(loadProfile(files.path("5.yaml")).layers.length, 5);
});
