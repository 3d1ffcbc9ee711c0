import { findFitsFiles } from "../../lib/astro/files.ts";
import { NodeosError, UsageError } from "../../lib/errors.ts";
import type { Card, CardValue } from "../../lib/fits/card.ts";
import { FitsFile } from "../../lib/fits/file.ts";
import { type Hdu, readHdus } from "../../lib/fits/hdu.ts";
import { observationTime } from "../../lib/fits/time.ts";
import { escapeControls } from "../../lib/quote.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import { table } from "../../lib/report/table.ts";
import { formatError } from "../failure.ts";
import type { Context } from "../context.ts";
import type { InfoFlags } from "./command.ts";

/** `nodeos astro info`: what FITS files hold. One that cannot be read does not keep the others from being shown. */
export default function info(this: Context, flags: InfoFlags, ...words: string[]): void {
  if (words.length === 0) throw new UsageError("Cannot show no files", { remedy: "Name FITS files, or directories of them" });
  const files: Record<string, unknown>[] = [];
  let isFirst = true;
  let failure: NodeosError | null = null;
  for (const path of findFitsFiles(words)) {
    if (path === null) continue;
    try {
      using file = new FitsFile(path);
      const hdus = readHdus(file);
      files.push({ path, bytes: file.bytes, parts: hdus.map((hdu) => describe(hdu, hdus[0])) });
      if (!flags.json) this.print(`${isFirst ? "" : "\n"}${pageOf(path, file.bytes, hdus, flags.cards)}`);
      isFirst = false;
    } catch (error) {
      if (!(error instanceof NodeosError)) throw error;
      if (failure !== null) this.say(formatError(failure));
      failure = error;
      files.push({ path, error: error.message });
    }
  }
  if (flags.json) this.json({ files });
  if (failure !== null) throw failure;
}

function pageOf(path: string, bytes: number, hdus: readonly Hdu[], hasCards: boolean): string {
  const titles = ["PART", "NAME", "KIND", "VALUES", "SIZE", "BSCALE", "BZERO", "BLANK", "DATA", "CARDS"];
  const right = new Set(["PART", "DATA", "CARDS"]);
  const rows = hdus.map((hdu) => [
    String(hdu.number),
    escapeControls(hdu.name ?? "-"),
    hdu.kind,
    hdu.axes.length === 0 ? "-" : valuesOf(hdu),
    hdu.axes.join(" x ") || "-",
    ...["BSCALE", "BZERO", "BLANK"].map((keyword) => valueText(hdu.header.card(keyword)?.value)),
    formatBytes(hdu.dataBytes),
    String(hdu.header.cards.length),
  ]);
  const time = observationTime(hdus.map(({ header }) => header));
  const heading = `${escapeControls(path)}  ${formatBytes(bytes)}${time === null ? "" : `, taken ${formatMjd(time)}`}`;
  const overview = table(titles.map((title) => ({ title, right: right.has(title) })), rows);
  const cards = hasCards ? hdus.map(({ number, header }) => `\nPart ${number}\n${header.cards.map(cardText).join("\n")}`) : [];
  return [heading, overview, ...cards].join("\n");
}

function valuesOf({ kind, bitpix }: Hdu): string {
  if (kind === "table" || kind === "compressed") return "bytes";
  return bitpix < 0 ? `float${-bitpix}` : bitpix === 8 ? "uint8" : `int${bitpix}`;
}

function cardText({ keyword, value, malformed, comment }: Card): string {
  if (value === undefined && malformed === undefined) return `${keyword.padEnd(8)}  ${comment}`.trimEnd();
  return `${keyword.padEnd(8)}= ${malformed ?? valueText(value)}${comment === "" ? "" : ` / ${comment}`}`;
}

function valueText(value: CardValue | undefined): string {
  if (value === undefined || value === null) return "-";
  if (typeof value === "boolean") return value ? "T" : "F";
  return Array.isArray(value) ? `(${value.join(", ")})` : String(value);
}

/** A modified Julian date as a date and time, to the second. */
function formatMjd(mjd: number): string {
  const date = new Date((mjd - 40587) * 86_400_000);
  return Number.isNaN(date.getTime()) ? `MJD ${mjd}` : date.toISOString().replace(/\.\d+Z$/, "");
}

function describe(hdu: Hdu, primary: Hdu): Record<string, unknown> {
  const { number, kind, name, version, bitpix, axes, dataOffsetBytes, dataBytes, header } = hdu;
  const cards = header.cards.map(({ keyword, value, malformed, comment }) => ({
    keyword,
    value: typeof value === "bigint" ? String(value) : value,
    malformed,
    comment,
  }));
  const timeMjd = observationTime([header, primary.header]);
  return { number, kind, name, version, bitpix, axes, dataOffsetBytes, dataBytes, timeMjd, cards };
}
