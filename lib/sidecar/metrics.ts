import { Hono } from "hono";
import type { BoardState, CallCounter } from "../syscall/board.ts";
import type { ContainerView } from "./container.ts";

/** What a call became, as the board counts it. */
const outcomes = ["forwarded", "returned", "allowed", "denied", "handled", "stale"] as const;
/** Upper end of the first bucket, as a power of two of nanoseconds. */
const firstBucketBits = 9;

/** `GET /`: the board as Prometheus reads it. */
export function metricsRoutes(container: ContainerView): Hono {
  return new Hono().get("/", async (c) => {
    const { container: name } = await container.filed();
    return c.text(formatMetrics(name, container.state(), container.counters()), 200, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
    });
  });
}

/** The text of a scrape. */
export function formatMetrics(container: string, state: BoardState, counters: Readonly<Record<string, CallCounter>>): string {
  const label = `container="${escaped(container)}"`;
  const calls = Object.entries(counters);
  return [
    ...family("nodeos_syscalls_total", "counter", "System calls that reached the forwarder, by what became of them."),
    ...calls.flatMap(([call, counter]) =>
      outcomes.flatMap((outcome) =>
        counter[outcome] === 0 ? [] : [`nodeos_syscalls_total{${label},call="${call}",action="${outcome}"} ${counter[outcome]}`]
      )
    ),
    ...family("nodeos_syscall_failures_total", "counter", "Of those forwarded and handled: answered with an error."),
    ...calls.map(([call, { failed }]) => `nodeos_syscall_failures_total{${label},call="${call}"} ${failed}`),
    ...family("nodeos_syscall_seconds", "histogram", "From receiving a system call to answering it."),
    ...calls.flatMap(([call, counter]) => histogram(`${label},call="${call}"`, counter)),
    ...single("nodeos_forwarder_up", "gauge", "Whether a forwarder runs.", label, state.forwarderPid === null ? 0 : 1),
    ...single(
      "nodeos_forwarder_starts_total",
      "counter",
      "Forwarders ever; more than 1: it died and was replaced.",
      label,
      state.forwarderStarts,
    ),
    ...single("nodeos_forwarder_threads", "gauge", "Threads of the forwarder.", label, state.threads),
    ...single("nodeos_forwarder_listeners", "gauge", "Filters whose programs still run.", label, state.listeners),
    ...single("nodeos_sidecar_starts_total", "counter", "Sidecars ever.", label, state.sidecarStarts),
    ...single("nodeos_refusals_total", "counter", "First refusals of a call to a program.", label, state.refusalCount),
    ...single("nodeos_handlers", "gauge", "TypeScript handlers that are connected.", label, state.handlers),
    "",
  ].join("\n");
}

function family(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function single(name: string, type: string, help: string, label: string, value: number): string[] {
  return [...family(name, type, help), `${name}{${label}} ${value}`];
}

function histogram(labels: string, { buckets, totalNs }: CallCounter): string[] {
  let sum = 0;
  const lines = buckets.map((count, index) => {
    const end = index === buckets.length - 1 ? "+Inf" : 2 ** (index + firstBucketBits) / 1e9;
    return `nodeos_syscall_seconds_bucket{${labels},le="${end}"} ${sum += count}`;
  });
  return [...lines, `nodeos_syscall_seconds_sum{${labels}} ${totalNs / 1e9}`, `nodeos_syscall_seconds_count{${labels}} ${sum}`];
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
