/**
 * Runs the tests and names every skip with its reason: `deno task test [FILES...]`.
 *
 * @module
 */

/** A test that did not run, and why, as its name says at its end. */
interface Skip {
  readonly name: string;
  readonly reason: string;
}

function isDevice(path: string): boolean {
  try {
    return Deno.statSync(path).isCharDevice === true;
  } catch {
    return false;
  }
}

/** A test that makes random calls as root could remove it; hardly a program works without it, or says why. */
function checkNull(when: string): void {
  if (isDevice("/dev/null")) return;
  console.error(`/dev/null is no device ${when}: make it one again: rm -f /dev/null && mknod -m 666 /dev/null c 1 3`);
  Deno.exit(1);
}

checkNull("before the tests");
// What a killed run left would fail this one.
const putBack = new Deno.Command(Deno.execPath(), { args: ["run", "-q", "-A", "tests/leftovers.ts"], stdin: "null" }).outputSync();
Deno.stdout.writeSync(putBack.stdout);
Deno.stderr.writeSync(putBack.stderr);

const paths = Deno.args.length > 0 ? Deno.args : ["--doc", "mod.ts", "ffi", "lib", "tests"];
const child = new Deno.Command(Deno.execPath(), {
  args: ["test", "-q", "-A", ...paths],
  env: { NO_COLOR: "1" },
  stdin: "null",
  stdout: "piped",
  stderr: "inherit",
}).spawn();

let output = "";
for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  output += text;
}
const { code } = await child.status;
checkNull("after the tests");

const skips = output.split("\n").flatMap((line): Skip[] => {
  const match = /^(.*?)(?: \[([^\]]*)\])? \.\.\. ignored/.exec(line);
  return match ? [{ name: match[1], reason: match[2] ?? "no reason given" }] : [];
});
if (skips.length > 0) {
  console.log("\nSkipped on this machine:");
  for (const { name, reason } of skips) console.log(`  ${name}: ${reason}`);
}
const [, passed, failed] = /\| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/.exec(output) ?? ["", "0", "0"];
console.log(`\ntests: ${passed} passed, ${failed} failed, ${skips.length} skipped`);
const nameless = skips.filter(({ reason }) => reason === "no reason given");
if (nameless.length > 0) console.error(`${nameless.length} skips give no reason: end their names with one in brackets`);
Deno.exit(code !== 0 ? code : nameless.length > 0 || passed === "0" ? 1 : 0);
