import assert from "node:assert/strict";
import { sanitizer } from "./ffi/sanitizer.ts";

const inside = Deno.env.get("NODEOS_TEST_NAMESPACE") === "1";

/** Why there are no namespaces of mounts here, or `null` when there are. */
const cannotMount: string | null = Deno.uid() !== 0 ? "needs root" : await makesNamespaces() ? null : "needs namespaces of mounts";

/** The ending of a test's name that says why it is skipped, if it is. */
const note = cannotMount === null || inside ? "" : ` [${cannotMount}]`;

async function makesNamespaces(): Promise<boolean> {
  if (inside) return true;
  try {
    const args = ["-m", "--propagation", "private", "mount", "-t", "tmpfs", "nodeos", "/run"];
    return (await new Deno.Command("unshare", { args, stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

/** How each test of a file ended in its namespace, by name: `null` when it passed. */
const outcomes = new Map<string, Promise<ReadonlyMap<string, string | null>>>();

/**
 * Tests of a file that mount something: they run in a process that has its own view of the mounts, and an empty `/run`.
 * That process runs the file again, and all such tests of it; each says here what it said there.
 *
 * @param file `import.meta.url`.
 * @returns Registers one; `lack` says why it cannot run here, `null` that it can.
 */
export function testsInNamespace(file: string): (name: string, body: () => void | Promise<void>, lack?: string | null) => void {
  return (name, body, lack = null) => {
    if (inside) return void (lack === null && Deno.test(name, body));
    Deno.test({
      name: `${name}${note || (lack === null ? "" : ` [${lack}]`)}`,
      ignore: cannotMount !== null || lack !== null,
      async fn() {
        if (!outcomes.has(file)) outcomes.set(file, runInside(file));
        const failure = (await outcomes.get(file)!).get(name);
        assert.notEqual(failure, undefined, "it did not run");
        if (failure !== null) assert.fail(failure);
      },
    });
  };
}

/** A test that runs outside of the namespace only; those of the same file that need none. */
export function testOutside(test: Deno.TestDefinition): void {
  if (!inside) Deno.test(test);
}

async function runInside(file: string): Promise<ReadonlyMap<string, string | null>> {
  const script = 'mount -t tmpfs nodeos /run && exec "$@"';
  const test = [Deno.execPath(), "test", "-A", "-q", "--no-check", "--reporter=tap", new URL(file).pathname];
  const args = ["-m", "--propagation", "private", "sh", "-c", script, "sh", ...test];
  const env = { NODEOS_TEST_NAMESPACE: "1", NO_COLOR: "1", ...sanitizer };
  const { stdout, stderr } = await new Deno.Command("unshare", { args, env, stdin: "null", stdout: "piped", stderr: "piped" }).output();
  const lines = new TextDecoder().decode(stdout).split("\n");
  const found = new Map<string, string | null>();
  for (const [index, line] of lines.entries()) {
    const [, not, name] = /^(not )?ok \d+ - (.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    // Three dashes, then what was wrong as JSON.
    found.set(name.replaceAll("\\#", "#"), not ? reasonOf(lines[index + 2]) : null);
  }
  if (found.size === 0) throw new Error(`No test of ${file} ran: ${new TextDecoder().decode(stderr)}`);
  return found;
}

function reasonOf(line: string): string {
  try {
    return JSON.parse(line).message;
  } catch {
    return line;
  }
}
