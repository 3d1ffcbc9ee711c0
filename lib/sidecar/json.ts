/** An answer in JSON, with a newline at its end for those who read it in a terminal. */
export function json(value: unknown, status = 200): Response {
  return new Response(`${JSON.stringify(value)}\n`, { status, headers: { "content-type": "application/json" } });
}
