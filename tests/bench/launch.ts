import { launch, wait } from "../../ffi/launch.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { readCgroupLayout } from "../../lib/kernel/cgroup.ts";
import { type Group, inTurns } from "./measure.ts";

const rounds = 40;

/** `nodeos run -- true` beside `crun run` of the same program, and the native part of it alone. */
export function benchLaunch(): Group[] {
  const layout = readCgroupLayout(new KernelRoot());
  // crun refuses mixed cgroups. In a mount namespace of our own the machine has version 1 only; all ways run there.
  if (layout.mode === "hybrid") return inVersion1();

  const directory = Deno.makeTempDirSync({ prefix: "nodeos-bench-" });
  try {
    Deno.mkdirSync(`${directory}/prefix`);
    quietly(Deno.execPath(), "task", "-q", "install", "--prefix", `${directory}/prefix`);
    const nodeos = `${directory}/prefix/bin/nodeos`;
    const ways: Record<string, () => number> = {};
    const notes: string[] = [];
    if (hasProgram("crun")) {
      makeBundle(`${directory}/bundle`);
      ways["crun run"] = () => time([`crun`, "run", "--bundle", `${directory}/bundle`, `nodeos-bench-${Deno.pid}`]);
      notes.push("crun: its default specification (all namespaces), and the same CPU; its root is a directory with this one program.");
    } else notes.push("crun is not installed (Debian: apt-get install crun): no rival.");
    ways["nodeos run"] = () => time([nodeos, "run", "--", "/bin/true"]);
    ways["deno alone (an empty script)"] = emptyScript(directory);
    const native: number[] = [];
    for (let run = 0; run < 200; run++) {
      const launched = launch({ argv: ["/bin/true"], cpus: [lastOnline()] });
      native.push(launched.execNs);
      wait(launched);
    }
    return [
      {
        title: "Run /bin/true in a container of its own: one now and then (50 ms between runs, in turns)",
        series: inTurns(ways, rounds, 50),
        notes,
      },
      {
        title: "The same without a pause: each way a series of its own",
        series: Object.entries(ways).flatMap(([name, way]) => inTurns({ [name]: way }, rounds)),
        notes: ["In a series crun need not wait for grace periods of the kernel: the one before it did."],
      },
      { title: "The native part: from clone to exec, affinity set", series: [{ name: "nodeos_launch", runsNs: native }], notes: [] },
    ];
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function inVersion1(): Group[] {
  const file = Deno.makeTempFileSync();
  const script = `umount /sys/fs/cgroup/unified && exec "$0" run -q -A "$1" launch --out "$2"`;
  const self = new URL("./main.ts", import.meta.url).pathname;
  quietly("unshare", "-m", "--propagation", "private", "sh", "-c", script, Deno.execPath(), self, file);
  const { groups } = JSON.parse(Deno.readTextFileSync(file)) as { groups: Group[] };
  Deno.removeSync(file);
  return groups;
}

function emptyScript(directory: string): () => number {
  const path = `${directory}/empty.js`;
  Deno.writeTextFileSync(path, "Deno.exit(0);\n");
  return () => time([Deno.execPath(), "run", "-q", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-code-cache", path]);
}

/** Starts and waits natively: Deno's own way to start a program would add 1 ms to each. */
function time(argv: readonly string[]): number {
  const from = performance.now();
  const { code } = wait(launch({ argv }));
  if (code !== 0) throw new Error(`Cannot measure: ${argv.join(" ")} ended with ${code}`);
  return (performance.now() - from) * 1e6;
}

function makeBundle(directory: string): void {
  const root = `${directory}/rootfs`;
  const program = Deno.realPathSync("/bin/true");
  const libraries = new TextDecoder().decode(quietly("ldd", program)).match(/\/\S+/g) ?? [];
  for (const path of ["/bin/true", ...libraries]) {
    Deno.mkdirSync(root + path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.copyFileSync(Deno.realPathSync(path), root + path);
  }
  for (const name of ["proc", "dev", "sys"]) Deno.mkdirSync(`${root}/${name}`);
  quietly("sh", "-c", `cd ${directory} && crun spec`);
  const spec = JSON.parse(Deno.readTextFileSync(`${directory}/config.json`));
  spec.process.args = ["/bin/true"];
  spec.process.terminal = false;
  // Raising limits needs a capability that not every root has.
  delete spec.process.rlimits;
  spec.linux.resources = { ...spec.linux.resources, cpu: { cpus: `${lastOnline()}`, mems: "0" } };
  Deno.writeTextFileSync(`${directory}/config.json`, JSON.stringify(spec));
}

function lastOnline(): number {
  return navigator.hardwareConcurrency - 1;
}

function hasProgram(name: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null" }).outputSync().success;
}

function quietly(program: string, ...args: string[]): Uint8Array {
  const { success, stdout, stderr } = new Deno.Command(program, { args, stdout: "piped", stderr: "piped" }).outputSync();
  if (!success) throw new Error(`Cannot measure: ${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}
