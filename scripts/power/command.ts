import { buildCommand, buildRouteMap, type RouteMap } from "@stricli/core";
import { parseNumberList } from "../../lib/container/number_list.ts";
import { parseCount } from "../../lib/container/quantity.ts";
import { UsageError } from "../../lib/errors.ts";
import { quote } from "../../lib/quote.ts";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";
import {
  forFlag,
  metersFlag,
  namePositional,
  parsePositive,
  parseSeconds,
  periodFlag,
  programPositional,
  svgFlag,
  tauFlag,
} from "./flags.ts";
import type { CapFlags, ProgressTarget, Wish } from "./cap.ts";
import type { ListFlags } from "./list.ts";
import type { MeasureFlags } from "./measure.ts";
import type { ReadFlags } from "./read.ts";
import type { SimulateFlags } from "./simulate.ts";
import type { TraceFlags } from "./trace.ts";
import type { WatchFlags } from "./watch.ts";

const list = buildCommand<ListFlags, string[], Context>({
  loader: async () => (await import("./list.ts")).default,
  parameters: {
    flags: {
      lacks: { kind: "boolean", default: false, brief: "Only what the machine could have, and why it has not" },
      json: jsonFlag,
    },
    positional: namePositional,
  },
  docs: {
    brief: "List what can be read and set: unit, range, step, access, and where it comes from",
    fullDescription: "Meters that differ in their number only are one line, such as cpu0-15/frequency; with names, each has its own.\n" +
      "Counters have no range here: they begin again at their end, and what is added counts on.\n" +
      "ACCESS is what this user may do. Root may do everything, and others what /etc/nodeos/power.yaml allows:\n" +
      '  users: { alice: { read: ["*"], set: { package0/power-limit: { min: 60, max: 120 } } } }\n' +
      '  groups: { operators: { set: { "*": any } } }',
  },
});

const read = buildCommand<ReadFlags, string[], Context>({
  loader: async () => (await import("./read.ts")).default,
  parameters: {
    flags: {
      prometheus: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write metrics for the textfile collector of node_exporter, and print nothing",
      },
      json: jsonFlag,
    },
    positional: namePositional,
  },
  docs: {
    brief: "Show meters, all of one moment",
    fullDescription: 'nodeos power read package0/energy "core*/temperature"\n' +
      "Exit status: 1 when one that was named has no value, 4 when there is none of the name.",
  },
});

const watch = buildCommand<WatchFlags, string[], Context>({
  loader: async () => (await import("./watch.ts")).default,
  parameters: {
    flags: {
      period: periodFlag("1s"),
      for: forFlag,
      prometheus: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write metrics at each reading, for the textfile collector of node_exporter; the file goes in the end",
      },
      papiBoard: { kind: "boolean", default: false, brief: "Show the values to programs that use PAPI, through libnodeos-papi.so" },
      quiet: { kind: "boolean", default: false, brief: "Print nothing" },
      json: { ...jsonFlag, brief: "Print one JSON document a line for each reading" },
    },
    positional: namePositional,
  },
  docs: {
    brief: "Show meters again and again: now, and since the start",
    fullDescription:
      "Counters show as what they add per second: package0/energy is package0/power, in W. On a terminal the table stays in its\n" +
      "place; elsewhere each reading is a line. Ends with the time, or with Ctrl-C.",
  },
});

const measure = buildCommand<MeasureFlags, string[], Context>({
  loader: async () => (await import("./measure.ts")).default,
  parameters: {
    flags: {
      meters: metersFlag,
      period: periodFlag("100ms"),
      output: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write the result to this file (default: standard error; with --json, standard output)",
      },
      svg: svgFlag,
      tau: tauFlag,
      json: jsonFlag,
    },
    aliases: { o: "output" },
    positional: programPositional,
  },
  docs: {
    brief: "Run a program, and say what energy it took",
    fullDescription: "nodeos power measure -- ./solver in.dat\n" +
      "nodeos power measure --svg power.svg --json -o power.json -- mpirun -n 16 ./lmp -in in.lj\n" +
      "\n" +
      "JOULES are those of the whole package, memory or card while the program ran, also of what else ran there. PEAK is the highest\n" +
      "mean of a period. Counters of PAPI, such as papi/PAPI_TOT_CYC, are those of the program and of what it starts: it is held before\n" +
      "its first instruction until they count. Those of software, papi/sde:::..., are what is registered in nodeos. The exit status is\n" +
      "that of the program.",
  },
});

const trace = buildCommand<TraceFlags, string[], Context>({
  loader: async () => (await import("./trace.ts")).default,
  parameters: {
    flags: {
      meters: metersFlag,
      period: periodFlag("100ms"),
      for: forFlag,
      csv: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write a table of comma-separated values, row by row (default: to standard output, when there is no program)",
      },
      svg: svgFlag,
      tau: tauFlag,
      json: jsonFlag,
    },
    positional: programPositional,
  },
  docs: {
    brief: "Record meters over time, as a table, a picture or a profile",
    fullDescription: "nodeos power trace --for 10s --csv power.csv --svg power.svg\n" +
      'nodeos power trace --period 10ms --meters "package*/energy" --svg power.svg -- ./solver in.dat\n' +
      "\n" +
      "A row has the values at its time; what counters count is the mean since the row before. With periods below 20ms a thread reads\n" +
      "registers, down to 1ms; meters that are none are read every 20ms, and have no value in the other rows. With a program, the trace\n" +
      "ends with it, or after the time, and the exit status is that of the program.",
  },
});

function wish(text: string): Wish {
  const match = /^([^=]+)=(-?\d{1,12}(?:\.\d+)?)$/.exec(text);
  if (match !== null) return { name: match[1], value: Number(match[2]) };
  throw new UsageError(`Cannot read ${quote(text)} as a setting`, {
    remedy: "Write a name and a number in its unit, such as package0/power-limit=120",
  });
}

function progressTarget(text: string): ProgressTarget {
  const match = /^(\d{1,9}(?:\.\d+)?)\s*(%|hz|\/s)$/i.exec(text.trim());
  const [value, isShare] = [match === null ? NaN : Number(match[1]), match?.[2] === "%"];
  if (isShare ? value >= 1 && value <= 99 : value > 0) return isShare ? { share: value / 100 } : { hz: value };
  throw new UsageError(`Cannot read ${quote(text)} as progress`, {
    remedy: "Write a share of the progress at the highest cap, from 1% to 99%, or heartbeats per second, such as 25Hz",
  });
}

const cap = buildCommand<CapFlags, string[], Context>({
  loader: async () => (await import("./cap.ts")).default,
  parameters: {
    flags: {
      package: {
        kind: "parsed",
        parse: parseNumberList,
        optional: true,
        placeholder: "NUMBERS",
        brief: "Which packages, such as 0 or 0-1 (default: all)",
      },
      window: { kind: "parsed", parse: parseSeconds, default: "1s", placeholder: "TIME", brief: "The time over which the mean counts" },
      celsius: {
        kind: "parsed",
        parse: parsePositive,
        optional: true,
        placeholder: "DEGREES",
        brief: "What the hottest core shall not exceed (default: whatever the hardware allows)",
      },
      follow: {
        kind: "boolean",
        default: false,
        brief: "Ask the program for fewer threads where that is better than slower ones: of OpenMP, or by nodeos_cores.h",
      },
      progress: {
        kind: "parsed",
        parse: progressTarget,
        optional: true,
        placeholder: "SHARE",
        brief:
          "Find the least power at which the program still makes this share of its progress, such as 90%, or so many heartbeats, such as 25Hz",
      },
      set: {
        kind: "parsed",
        parse: wish,
        optional: true,
        variadic: true,
        placeholder: "NAME=VALUE",
        brief: "Set an actuator to a value for the time, in its unit; may be repeated, and needs no cap",
      },
      period: {
        ...periodFlag(""),
        default: undefined,
        optional: true,
        brief: "Time between two steps (default: a twentieth of the window, 20ms at most)",
      },
      for: forFlag,
      output: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write the summary to this file (default: standard error; with --json, standard output)",
      },
      svg: svgFlag,
      tau: tauFlag,
      json: jsonFlag,
    },
    aliases: { o: "output" },
    positional: {
      kind: "array",
      parameter: {
        parse: String,
        placeholder: "watts-program",
        brief: "The cap of each package; then, after --, a program and its arguments",
      },
    },
  },
  docs: {
    brief: "Keep packages below a cap, until a program or a time ends, and put everything back",
    fullDescription: "nodeos power cap 120 -- ./solver in.dat\n" +
      "nodeos power cap 150 --celsius 85 --for 10min --svg power.svg\n" +
      "nodeos power cap --progress 90% -- ./solver in.dat\n" +
      "nodeos power cap --set package0/power-limit=100 --set cpu0/frequency-max=2000000000 -- ./solver in.dat\n" +
      "\n" +
      "The hardware's own limit keeps the cap, trimmed by what is measured; where there is none, where it is locked, or where it does\n" +
      "not reach so low, frequencies and duty cycles do. With --follow, programs of OpenMP use as many threads in each parallel region as\n" +
      "there is power for; one that does not answer is held to a quarter of its CPUs. With --progress, the cap sinks as far as the\n" +
      "heartbeats of the program, by nodeos_cores.h, allow: WATTS is the highest one then, and what the package is made for when left\n" +
      "out. One command at a time may set power. Whatever was set goes back when it ends, however it ends; after kill -9 the next\n" +
      "nodeos power cap or nodeos restore puts it back. The exit status is that of the program.",
  },
});

function timeScale(text: string): number {
  const value = /^\d{1,4}(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (value <= 1000) return value;
  throw new UsageError(`Cannot read ${quote(text)} as a time scale`, { remedy: "Write a number from 0 to 1000" });
}

const packagesMax = 8;

function packageCount(text: string): number {
  const count = parseCount(text);
  if (count <= packagesMax) return count;
  throw new UsageError(`Cannot simulate ${count} packages: ${packagesMax} are the most`);
}

const simulate = buildCommand<SimulateFlags, string[], Context>({
  loader: async () => (await import("./simulate.ts")).default,
  parameters: {
    flags: {
      packages: { kind: "parsed", parse: packageCount, default: "1", brief: "How many packages, up to 8" },
      timeScale: {
        kind: "parsed",
        parse: timeScale,
        default: "1",
        brief:
          "Simulated seconds in a second, up to 1000; 0 stands still. Who measures by the clock of the machine sees as many times the power",
      },
    },
    positional: programPositional,
  },
  docs: {
    brief: "Run a program that sees simulated packages in place of the machine's own power hardware",
    fullDescription: "nodeos power simulate -- nodeos power watch\n" +
      "nodeos power simulate -- rdmsr -p 0 0x611\n" +
      "\n" +
      "The program, and all that it starts, finds /dev/cpu/N/msr, /sys/class/powercap, hwmon, thermal and cpufreq of a server part of\n" +
      "205 W, with a core for each CPU of this machine, under load; everything else is the real machine. Nothing that is set there is set\n" +
      "here. What the program does costs no simulated power: the load of the part is steady, and its own. nodeos keeps a state of its own\n" +
      "there. Needs root and /dev/fuse.",
  },
});

/** `nodeos power`: meters, limits, and what programs draw. */
export const command: RouteMap<Context> = buildRouteMap<"list" | "read" | "watch" | "cap" | "measure" | "trace" | "simulate", Context>({
  routes: { list, read, watch, cap, measure, trace, simulate },
  docs: {
    brief: "Read and cap power, and measure what programs draw",
    fullDescription: "On a machine that shows no power, simulate shows what the others do.",
  },
});
