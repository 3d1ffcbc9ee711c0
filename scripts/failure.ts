/** Exit status of a command that ended with `error`: what the error says of itself, else 1. */
export function exitCodeOf(error: unknown): number {
  return error instanceof Error && "exitCode" in error && typeof error.exitCode === "number" ? error.exitCode : 1;
}

/** An error for people: what was wrong, then on its own line what would be right. A defect of ours keeps its stack. */
export function formatError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const remedy = "remedy" in error && typeof error.remedy === "string" ? `\n  ${error.remedy}` : "";
  const expected = "exitCode" in error || error.name === "SysError" || error.message.startsWith("Cannot ");
  return expected ? `${error.message}${remedy}` : `nodeos failed, and should not have: ${error.stack ?? error.message}`;
}
