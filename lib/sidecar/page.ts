import { Hono } from "hono";
import { formatVerdict } from "../syscall/switches.ts";
import type { ContainerView } from "./container.ts";

/** Calls that the page shows. */
const rowsMax = 40;

const style = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}
table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}
pre{background:#f4f4f4;padding:.6rem}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#262626}a{color:#9bf}}`;

const routes: readonly (readonly [string, string])[] = [
  ["v1/policy", "what happens to every call"],
  ["v1/calls", "counters and latencies"],
  ["v1/events", "first refusals and changes of the policy, as they happen"],
  ["metrics", "the same for Prometheus"],
  ["healthz", "whether calls are forwarded now"],
  ["v1/openapi.json", "every route, for machines"],
];

/** `GET /`: a page for people, without scripts. */
export function pageRoutes(container: ContainerView): Hono {
  return new Hono().get("/", async (c) => {
    const [{ container: name, profile }, rules] = await Promise.all([container.filed(), container.rules()]);
    const state = container.state();
    const verdicts = new Map(rules.map((rule) => [rule.call.name, formatVerdict(rule)]));
    const counters = Object.entries(container.counters()).sort(([, a], [, b]) => b.calls - a.calls);
    const rows = counters.slice(0, rowsMax).map(([call, { calls, forwarded, denied, p50Ns, p99Ns }]) =>
      `<tr><td><a href="v1/calls/${escaped(call)}">${escaped(call)}</a><td>${escaped(verdicts.get(call) ?? "")}` +
      [calls, forwarded, denied].map((count) => `<td class=n>${count}`).join("") +
      [p50Ns, p99Ns].map((ns) => `<td class=n>${ns === null ? "" : (ns / 1000).toFixed(1)}`).join("")
    );
    return c.html(`<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>${escaped(name)}: system calls</title><style>${style}</style>
<h1>System calls of container ${escaped(name)}</h1>
<p>Profile ${escaped(profile)}, ${container.architecture}. ${
      state.forwarderPid === null
        ? "No forwarder runs now."
        : `The forwarder is process ${state.forwarderPid}, with ${state.threads} threads.`
    }</p>
<pre>curl --unix-socket $NODEOS_SIDECAR http://nodeos/v1/syscalls -d '{ "calls": [{ "call": "getpid" }] }'</pre>
<ul>${routes.map(([path, what]) => `<li><a href="${path}">/${path}</a>: ${what}`).join("")}</ul>
<h2>What programs called</h2>
${
      rows.length === 0
        ? "<p>Nothing that reached the forwarder.</p>"
        : `<table><tr><th>call<th>now<th>calls<th>forwarded<th>denied<th>median us<th>99 % us${rows.join("")}</table>`
    }
${counters.length > rowsMax ? `<p>And ${counters.length - rowsMax} more.</p>` : ""}</html>
`);
  });
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
