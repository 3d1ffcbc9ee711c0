import { table } from "../../../lib/report/table.ts";
import { complaints, judge } from "../../power/judge.ts";
import { type PolicyName, policyNames } from "../../power/policies.ts";
import { readScenarios, runScenario, type Scenario, type Trace } from "../../power/scenario.ts";
import type { Group } from "../measure.ts";

/** How a policy did in a scenario. */
interface Figures extends Record<string, unknown> {
  readonly scenario: string;
  readonly policy: PolicyName;
  /** The largest distance of a mean from the cap where it binds, and of a window above it, in percent; negative is below. */
  readonly meanErrorPercent: number;
  readonly highestPercent: number;
  /** Windows until it is settled; infinite if never. */
  readonly settledWindows: number;
  readonly keptCount: number;
  /** 0 where heat is judged. */
  readonly stretchCount: number;
  readonly throttledSeconds: number;
  /** Beside the hardware alone. */
  readonly workPercent: number;
}

const shown = policyNames.filter((name) => name !== "uncapped");

/** Capping a simulated package: ours, the hardware alone and a setting by rule, in every scenario of the tests. */
export function benchClosedLoop(): Group {
  const figures = readScenarios().flatMap((scenario) => {
    const uncapped = runScenario(scenario, "uncapped");
    const traces = shown.map((policy) => runScenario(scenario, policy));
    const hardware = traces.find(({ policy }) => policy === "hardware RAPL only")!;
    return traces.map((trace) => figuresOf(scenario, trace, uncapped, hardware));
  });
  return {
    title: "Closed loop on the simulated package: the worst of all stretches between disturbances, after three windows to settle",
    series: [],
    figures,
    table: describe(figures),
    notes: [
      "Asked for: a mean within 2 % of the cap, settled within 3 windows, no window above it by more than 2 %; on the hot node,",
      "throttled at most half as long as the hardware alone, at no less work.",
    ],
  };
}

function figuresOf(scenario: Scenario, trace: Trace, uncapped: Trace, hardware: Trace): Figures {
  const stretches = scenario.judge === "cap" ? judge(scenario, trace, uncapped) : [];
  const errors = stretches.filter(({ isBinding }) => isBinding).map(({ meanShare }) => 100 * (meanShare - 1));
  return {
    scenario: scenario.name,
    policy: trace.policy,
    meanErrorPercent: errors.reduce((worst, error) => Math.abs(error) > Math.abs(worst) ? error : worst, 0),
    highestPercent: 100 * (Math.max(...stretches.map(({ highestShare }) => highestShare)) - 1),
    settledWindows: Math.max(...stretches.map(({ settledWindows }) => settledWindows)),
    keptCount: stretches.filter((stretch) => complaints(stretch).length === 0).length,
    stretchCount: stretches.length,
    throttledSeconds: trace.throttledSeconds,
    workPercent: 100 * trace.work / hardware.work,
  };
}

function describe(figures: readonly Figures[]): string {
  const titles = ["MEAN ERROR", "WORST WINDOW", "SETTLED, WINDOWS", "HOLDS", "THROTTLED", "WORK TO HARDWARE"];
  const signed = (percent: number) => `${percent < 0 ? "" : "+"}${percent.toFixed(1)} %`;
  const rows = figures.map((figure, index) => [
    figure.scenario === figures[index - 1]?.scenario ? "" : figure.scenario,
    figure.policy,
    ...figure.stretchCount === 0 ? ["-", "-", "-", "-"] : [
      signed(figure.meanErrorPercent),
      signed(figure.highestPercent),
      Number.isFinite(figure.settledWindows) ? figure.settledWindows.toFixed(1) : "never",
      `${figure.keptCount} of ${figure.stretchCount}`,
    ],
    `${figure.throttledSeconds.toFixed(1)} s`,
    `${figure.workPercent.toFixed(1)} %`,
  ]);
  return table([{ title: "SCENARIO" }, { title: "POLICY" }, ...titles.map((title) => ({ title, right: true }))], rows);
}
