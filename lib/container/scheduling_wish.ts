import { didYouMean, UsageError } from "../errors.ts";
import type { SchedulingWish } from "../feature/scheduling.ts";
import { quote } from "../quote.ts";
import { parseDurationNs } from "./quantity.ts";

/** Scheduling policies, and the options that each one takes. */
export const schedulingOptions = {
  fair: ["nice"],
  cooperative: ["throttle"],
  deadline: ["runtime", "period", "deadline"],
} as const satisfies Record<SchedulingWish["policy"], readonly string[]>;

/** One thing wrong with a scheduling wish. */
export interface SchedulingIssue {
  /** The option that it is about; `null` for the policy, or for an option that is missing. */
  readonly option: string | null;
  /** The option itself is wrong here, and not its value. */
  readonly isUnknown?: boolean;
  /** What is the case. */
  readonly message: string;
  /** What would be right. */
  readonly remedy: string;
}

/** A scheduling wish cannot be understood; it carries every issue, and as an error says the first. */
export class SchedulingError extends UsageError {
  /** @param issues What is wrong; at least one. */
  constructor(readonly issues: readonly SchedulingIssue[]) {
    super(issues[0].message, { remedy: issues[0].remedy });
  }
}

/** The kernel counts a deadline budget in units of 1024 ns. */
const runtimeNsMin = 1024;

/**
 * Understands a policy and its options, as a command line and a YAML file say them alike.
 *
 * @param policy `fair`, `cooperative` or `deadline`.
 * @param options Their text by name: `nice`, -20 to 19; `throttle`, `lift` (default) or `keep`; `runtime`, `period` and
 * `deadline` (default: the period), durations.
 * @throws {SchedulingError} If the policy or an option is unknown, missing or wrong.
 */
export function parseScheduling(policy: string, options: ReadonlyMap<string, string>): SchedulingWish {
  const policies = Object.keys(schedulingOptions);
  if (!policies.includes(policy)) {
    const message = `Cannot use ${quote(policy)} as scheduling${didYouMean(policy.slice(0, 40), policies)}`;
    throw new SchedulingError([{ option: null, message, remedy: `Use one of: ${policies.join(", ")}` }]);
  }
  const reader = new OptionReader(policy as SchedulingWish["policy"], options);
  const wish = reader.read();
  if (reader.issues.length > 0) throw new SchedulingError(reader.issues);
  return wish;
}

/** Reads one option at a time and collects what is wrong. */
class OptionReader {
  readonly issues: SchedulingIssue[] = [];

  constructor(readonly policy: SchedulingWish["policy"], readonly options: ReadonlyMap<string, string>) {}

  read(): SchedulingWish {
    const known: readonly string[] = schedulingOptions[this.policy];
    for (const option of this.options.keys()) {
      if (known.includes(option)) continue;
      const message = `Cannot use option ${quote(option)} with scheduling ${this.policy}${didYouMean(option.slice(0, 40), known)}`;
      this.issues.push({ option, isUnknown: true, message, remedy: `It takes ${known.join(", ")}` });
    }
    switch (this.policy) {
      case "fair":
        return this.#fair();
      case "cooperative":
        return this.#cooperative();
      case "deadline":
        return this.#deadline();
    }
  }

  #fair(): SchedulingWish {
    const text = this.options.get("nice");
    if (text === undefined) return { policy: "fair" };
    const nice = /^[+-]?\d{1,2}$/.test(text) ? Number(text) : NaN;
    if (!(nice >= -20 && nice <= 19)) this.#wrong("nice", text, "Write a whole number from -20 (much of the CPU) to 19 (little)");
    return { policy: "fair", nice };
  }

  #cooperative(): SchedulingWish {
    const throttle = this.options.get("throttle") ?? "lift";
    if (throttle !== "lift" && throttle !== "keep") {
      this.#wrong("throttle", throttle, "Write lift (no real-time throttle), or keep (the program stops for 50 ms in each second)");
    }
    return { policy: "cooperative", throttle: throttle === "keep" ? "keep" : "lift" };
  }

  #deadline(): SchedulingWish {
    const [runtimeNs, periodNs, deadlineNs] = ["runtime", "period", "deadline"].map((option) => this.#durationNs(option));
    if (!this.options.has("runtime") || !this.options.has("period")) {
      const message = "Cannot use scheduling deadline without a budget";
      this.issues.push({ option: null, message, remedy: "Give it a runtime in each period, such as runtime 5ms and period 10ms" });
    } else if (
      this.issues.length === 0 && !(runtimeNs >= runtimeNsMin && runtimeNs <= (deadlineNs || periodNs) && (deadlineNs || 0) <= periodNs)
    ) {
      const message = "Cannot use this budget for scheduling deadline";
      this.issues.push({ option: "runtime", message, remedy: `It must be ${runtimeNsMin} ns <= runtime <= deadline <= period` });
    }
    return { policy: "deadline", runtimeNs, deadlineNs: deadlineNs || periodNs, periodNs };
  }

  /** The duration of an option; `NaN` when it is not given, or wrong. */
  #durationNs(option: string): number {
    const text = this.options.get(option);
    if (text === undefined) return NaN;
    try {
      return parseDurationNs(text);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.issues.push({ option, message: error.message, remedy: error.remedy ?? "" });
      return NaN;
    }
  }

  #wrong(option: string, text: string, remedy: string): void {
    this.issues.push({ option, message: `Cannot use ${quote(text)} as ${option}`, remedy });
  }
}
