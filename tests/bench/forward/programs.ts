import type { LaunchRequest } from "../../../ffi/launch.ts";
import type { Group } from "../measure.ts";
import { compare, type Comparison, groupOf } from "./comparison.ts";
import { type Bench, type Cpus, filterOf, policyHere, run } from "./place.ts";

const rounds = 4;
const [directoryCount, filesPerDirectory] = [40, 25];

/** Whole programs under lean and cnk, beside the same without a filter. */
export async function benchPrograms(bench: Bench, cpus: Cpus, spinUs = 0): Promise<Group> {
  const tree = makeTree(`${bench.directory}/tree`);
  const programs: Record<string, readonly string[]> = {
    [`find, ${directoryCount * filesPerDirectory} files, each looked at`]: ["find", tree, "-size", "+1k"],
    // To /dev/null itself tar would not read the files.
    "tar, the same": ["sh", "-c", `tar -C ${tree} -cf - . | cat > /dev/null`],
    "python3, start": [pythonPath(), "-c", "import json, re"],
  };
  const comparisons: Comparison[] = [];
  for (const profile of ["lean", "cnk"]) {
    const policy = policyHere({ profile });
    await using keeper = await bench.startKeeper(cpus, policy, { spinUs });
    const { filter } = filterOf(policy, keeper.control);
    for (const [what, argv] of Object.entries(programs)) {
      if (!hasProgram(argv[0])) continue;
      const request = { argv, cpus: [cpus.program] };
      const ways = {
        ours: { name: `under ${profile}`, run: once({ ...request, filter }) },
        rival: { name: "without a filter", run: once(request) },
      };
      comparisons.push(compare(`${what}, under ${profile}`, ways, rounds));
    }
  }
  const spinning = spinUs > 0 ? `, polling ${spinUs} us for the next call` : "";
  return groupOf(`Whole programs, beside the same without a filter, ${cpus.name}${spinning}`, comparisons, [
    "Each round is one run of each: the 99th percentile is the longest of them.",
  ]);
}

function once(request: LaunchRequest): () => number[] {
  return () => {
    const from = performance.now();
    run(request);
    return [(performance.now() - from) * 1e6];
  };
}

function makeTree(root: string): string {
  Deno.mkdirSync(root, { recursive: true });
  for (let directory = 0; directory < directoryCount; directory++) {
    Deno.mkdirSync(`${root}/${directory}`, { recursive: true });
    for (let file = 0; file < filesPerDirectory; file++) Deno.writeTextFileSync(`${root}/${directory}/${file}`, "x".repeat(500));
  }
  return root;
}

/** Itself, and not a script that looks for it. */
function pythonPath(): string {
  if (!hasProgram("python3")) return "python3";
  const { stdout } = new Deno.Command("python3", { args: ["-c", "import sys; print(sys.executable)"] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

function hasProgram(name: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null" }).outputSync().success;
}
