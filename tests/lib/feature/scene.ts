import type { NodeFeature, Scene } from "../../../lib/feature/node_feature.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { drivers } from "../../../lib/plan/driver.ts";
import { type Change, formatStep } from "../../../lib/plan/step.ts";
import { captured, type CapturedFiles } from "../../captured.ts";

/** What differs from a scene of CPUs 2-3 on a machine of eight that nodeos has not changed. */
export type SceneRequest = Partial<Omit<Scene, "inventory" | "original">> & {
  /** Values from before nodeos changed them, by `what`. */
  readonly originals?: Readonly<Record<string, string>>;
};

/** Calls with a scene on a machine of these files. */
export function onScene<T>(files: CapturedFiles, call: (scene: Scene) => T, { originals = {}, ...request }: SceneRequest = {}): T {
  using machine = captured(files);
  return call({
    inventory: new Inventory(machine),
    cpus: [2, 3],
    otherCpus: [0, 1, 4, 5, 6, 7],
    taken: [2, 3],
    isolatedCpus: [],
    sharedNodes: new Inventory(machine).memoryNodes,
    serviceCpus: null,
    protect: [],
    original: ({ kind, what }) => originals[what] ?? drivers[kind].read(machine, what),
    ...request,
  });
}

/** Changes that a feature plans. */
export function changesOf(feature: NodeFeature, files: CapturedFiles, request?: SceneRequest): Change[] {
  return onScene(files, (scene) => feature.plan(scene), request);
}

/** The same as lines without reasons; those of another kind than a file say which. */
export function linesOf(feature: NodeFeature, files: CapturedFiles, request?: SceneRequest): string[] {
  return changesOf(feature, files, request).map((change) =>
    `${change.kind === "file" ? "" : `${change.kind}: `}${formatStep({ ...change, why: "" }).trimEnd()}`
  );
}

/** What a feature says it leaves on the CPUs. */
export function leftOf(feature: NodeFeature, files: CapturedFiles, request?: SceneRequest): string[] {
  return onScene(files, (scene) => feature.left?.(scene) ?? [], request);
}
