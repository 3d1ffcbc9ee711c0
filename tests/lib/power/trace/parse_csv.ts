/** Reads comma-separated values strictly: every line ends, every line has as many fields, quotes only where they have to be. */
export function parseCsv(text: string): string[][] {
  const lines: string[][] = [];
  let [fields, at]: [string[], number] = [[], 0];
  while (at < text.length) {
    const match = /"((?:[^"]|"")*)"|([^",\r\n]*)/y;
    match.lastIndex = at;
    const [whole, quoted, plain] = match.exec(text)!;
    at += whole.length;
    if (quoted !== undefined && !/[",\r\n]/.test(quoted)) throw new SyntaxError(`${whole} needs no quotes`);
    fields.push(quoted?.replaceAll('""', '"') ?? plain);
    if (text[at] === "\n") {
      lines.push(fields);
      fields = [];
    } else if (text[at] !== ",") throw new SyntaxError(`line ${lines.length + 1} does not end: ${text.slice(at, at + 20)}`);
    at++;
  }
  if (fields.length > 0) throw new SyntaxError("the last line does not end");
  if (lines.some(({ length }) => length !== lines[0].length)) throw new SyntaxError("lines have different numbers of fields");
  return lines;
}
