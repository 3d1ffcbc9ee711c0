import { prometheusText, writePrometheus } from "../../lib/power/glue/prometheus.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import { chooseMeters, openPower, readerOf } from "./machine.ts";
import { show } from "./words.ts";

/** Flags of `nodeos power read`. */
export interface ReadFlags {
  /** File for the metrics of Prometheus. */
  readonly prometheus?: string;
  /** One JSON document. */
  readonly json: boolean;
}

/** Shows meters of one moment. */
export default async function read(this: Context, { prometheus, json }: ReadFlags, ...names: string[]): Promise<void> {
  using machine = await openPower(this, names);
  const meters = chooseMeters(machine, names, () => true);
  const snapshot = readerOf(machine, meters)();
  const { atNs, spanNs, values, missing } = snapshot;
  if (prometheus !== undefined) writePrometheus(prometheus, prometheusText(meters, snapshot));
  if (json) {
    const readings = meters.map(({ name, unit, kind, provider }, index) => ({ name, unit, kind, provider, value: values[index] }));
    this.json({ time: new Date().toISOString(), monotonicNs: Number(atNs), spanNs, readings, missing });
  } else if (prometheus === undefined) {
    this.print(table(
      [{ title: "METER" }, { title: "VALUE", right: true }, { title: "UNIT" }],
      meters.map(({ name, unit }, index) => [name, ...show(values[index], unit)]),
    ));
  }
  for (const { name, reason } of json ? [] : missing) this.say(`nodeos: ${name} has no value: ${reason}`);
  if (names.length > 0 && missing.length > 0) this.process.exitCode = 1;
}
