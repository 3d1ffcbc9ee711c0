import { UsageError } from "../errors.ts";
import { parseCpuList } from "../kernel/cpulist.ts";
import { quote } from "../quote.ts";

/** Long enough for every second CPU of the largest machine; bounds the time that a hostile list takes. */
const lengthMax = 32 * 1024;

/**
 * Parses CPU or node numbers as people write them, such as `2-15,18`; see {@link parseCpuList}.
 *
 * @returns Numbers in ascending order, each once; `[]` for the empty text.
 * @throws {UsageError} If it is no such list, or names a number above 9999.
 */
export function parseNumberList(text: string): number[] {
  const remedy = "Write numbers and ascending ranges, such as 2-15,18";
  if (/\d{5}/.test(text)) throw new UsageError(`Cannot use the list ${quote(text)}: no machine has a number above 9999`, { remedy });
  try {
    if (text.length <= lengthMax) return parseCpuList(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UsageError(`Cannot read ${quote(text)} as a list of numbers`, { remedy });
}
