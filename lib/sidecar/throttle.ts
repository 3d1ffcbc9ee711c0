/** How much may be said: so many lines in so many milliseconds. */
export interface ThrottleLimits {
  /** Lines. */
  readonly linesMax: number;
  /** From the first of them on. */
  readonly everyMs: number;
}

const usual: ThrottleLimits = { linesMax: 100, everyMs: 60_000 };

/**
 * Says no more than so much in a while, and later how many lines were left out: somebody whose calls fail in a loop must
 * not fill the memory that logs lie in.
 *
 * @param nowMs The clock, in milliseconds.
 */
export function throttled(
  say: (line: string) => void,
  { linesMax, everyMs } = usual,
  nowMs: () => number = performance.now.bind(performance),
): (line: string) => void {
  let startMs = -Infinity;
  let said = 0;
  let leftOut = 0;
  return (line) => {
    if (nowMs() - startMs >= everyMs) {
      if (leftOut > 0) say(`${leftOut} lines were left out`);
      startMs = nowMs();
      said = leftOut = 0;
    }
    if (++said <= linesMax) say(line);
    else leftOut++;
  };
}
