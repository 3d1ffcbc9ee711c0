import type { LaunchRequest } from "../../../ffi/launch.ts";
import type { Group } from "../measure.ts";
import { compare, groupOf } from "./comparison.ts";
import { type Bench, type Cpus, filterOf, policyHere, run } from "./place.ts";

const rounds = 9;
const [directoryCount, filesPerDirectory] = [100, 40];

/** Whole programs under lean, beside the same without a filter. */
export async function benchPrograms(bench: Bench, cpus: Cpus): Promise<Group> {
  const tree = makeTree(`${bench.directory}/tree`);
  const policy = policyHere({ profile: "lean" });
  await using keeper = await bench.startKeeper(cpus, policy);
  const { filter } = filterOf(policy, keeper.control);
  const programs: Record<string, readonly string[]> = {
    [`find, ${directoryCount} directories, ${directoryCount * filesPerDirectory} files, each looked at`]: ["find", tree, "-size", "+1k"],
    // To /dev/null itself tar would not read the files.
    "tar, the same tree": ["sh", "-c", `tar -C ${tree} -cf - . | cat > /dev/null`],
    "python3, start": [pythonPath(), "-c", "import json, re"],
  };
  const comparisons = Object.entries(programs).flatMap(([what, argv]) => {
    if (!hasProgram(argv[0])) return [];
    const request = { argv, cpus: [cpus.program] };
    const ways = {
      ours: { name: "under lean", run: once({ ...request, filter }) },
      rival: { name: "without a filter", run: once(request) },
    };
    return [compare(what, ways, rounds)];
  });
  return groupOf(`Whole programs under lean, beside the same without a filter, ${cpus.name}`, comparisons, [
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
