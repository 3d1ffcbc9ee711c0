/** A request that we refuse, as RFC 9457 has it. */
export interface ProblemDetails {
  /** HTTP status. */
  readonly status: number;
  /** The status in words. */
  readonly title: string;
  /** What is the case with this request. */
  readonly detail: string;
  /** What would be right. */
  readonly remedy?: string;
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad request",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  409: "Conflict",
  413: "Too large",
  431: "Headers too large",
  500: "Internal error",
  503: "Not available",
  505: "HTTP version not supported",
};

/** Media type of a problem. */
export const problemType = "application/problem+json";

/** A request that we refuse; the server answers it with its status and a problem document. */
export class Problem extends Error {
  /** Always `Problem`. */
  override readonly name = "Problem";

  /**
   * A refusal.
   *
   * @param status HTTP status.
   * @param detail "Cannot", what was asked for, a colon, what is the case.
   * @param remedy What would be right.
   */
  constructor(readonly status: number, readonly detail: string, readonly remedy?: string, options?: ErrorOptions) {
    super(detail, options);
  }

  /** Whether nothing can go on from here: what was executed is unknown, and the descriptors are gone. */
  get endsConnection(): boolean {
    return this.status === 500;
  }

  /** What the client gets. */
  details(): ProblemDetails {
    const { status, detail, remedy } = this;
    return { status, title: titles[status] ?? "Error", detail, ...(remedy === undefined ? {} : { remedy }) };
  }

  /** The answer. */
  response(): Response {
    const headers = { "content-type": problemType, ...(this.endsConnection ? { connection: "close" } : {}) };
    return new Response(`${JSON.stringify(this.details())}\n`, { status: this.status, headers });
  }
}

/** What an error is to the client: a problem stays, everything else is ours and said to the log only. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(500, "Cannot answer: the sidecar failed; its log says how", undefined, { cause: error });
}
