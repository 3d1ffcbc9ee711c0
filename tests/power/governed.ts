/**
 * Caps a machine while a program of OpenMP works on it: `governed.ts STATE PROGRAM CAP,FEWEST,MOST...`. Says each step as one line of JSON;
 * goes on to the next cap when the program uses so many threads and the power is right.
 *
 * @module
 */

import { KernelRoot } from "../../ffi/kernel_root.ts";
import { clockNs } from "../../ffi/mod.ts";
import { Policy } from "../../lib/power/access/policy.ts";
import { PowerSession } from "../../lib/power/access/session.ts";
import { Governor } from "../../lib/power/governor/governor.ts";
import { ProgramRuntime } from "../../lib/power/governor/program.ts";
import { Registry } from "../../lib/power/registry.ts";
import { Talk } from "../ffi/runtime_cores/programs.ts";

const [directory, program, ...phases] = Deno.args;
const periodMs = 20;
const stepsMax = 750;
const wantedSteps = 50;

const kernel = new KernelRoot();
using registry = Registry.open(kernel);
const person = { uid: 0, user: "root", groups: [] };
await using session = await PowerSession.open({ kernel, registry, directory, policy: Policy.rootOnly, person });
using runtime = ProgramRuntime.create({ kernel, coresMax: 16, coresMin: 4, hasOpenMp: true });
await using talk = new Talk(program, { OMP_NUM_THREADS: "16", OMP_WAIT_POLICY: "passive", ...runtime.env });
runtime.started(talk.pid);
const governor = Governor.open({ registry, session, runtime, windowSeconds: 0.5, limitCelsius: null });
for (const phase of phases) {
  const [capWatts, fewest, most] = phase.split(",").map(Number);
  const powers: number[] = [];
  for (let step = 0;; step++) {
    const [threads, sum] = await talk.ask("plain");
    const [record] = governor.step(capWatts, clockNs());
    console.log(JSON.stringify({ ...record, threads, sum }));
    const isThere = threads >= fewest && threads <= most && record.activeCores === threads;
    powers.push(isThere ? record.powerWatts ?? 0 : 0);
    const mean = powers.slice(-wantedSteps).reduce((total, watts) => total + watts, 0) / wantedSteps;
    if (powers.slice(-wantedSteps).every((watts) => watts > 0) && mean < 1.02 * capWatts && mean > 0.9 * capWatts) break;
    if (step > stepsMax) throw new Error(`${phase} is not reached: ${JSON.stringify(record)}, ${threads} threads, mean ${mean} W`);
    await new Promise((resolve) => setTimeout(resolve, periodMs));
  }
}
