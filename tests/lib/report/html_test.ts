import assert from "node:assert/strict";
import fc from "fast-check";
import { htmlReport, type ReportPart } from "../../../lib/report/html.ts";

const page = (...parts: ReportPart[]) => htmlReport({ title: "Report", sections: [{ heading: "Numbers", parts }] });

Deno.test("htmlReport() is one page that needs nothing else", () => {
  const html = page({ kind: "text", text: "words" }, {
    kind: "svg",
    svg: `<svg xmlns="http://www.w3.org/2000/svg"></svg>`,
    caption: "a picture",
  });
  assert.match(html, /^<!DOCTYPE html>\n<html lang="en">/);
  assert.match(html, /<title>Report<\/title>/);
  assert.match(html, /<figcaption>a picture<\/figcaption>/);
  assert.doesNotMatch(html, /<script|<link|<img|\bsrc=|@import|url\(/i);
});

Deno.test("htmlReport() lays out tables, figures and code", () => {
  const html = page(
    { kind: "table", columns: [{ title: "WHAT" }, { title: "NS", right: true }], rows: [["p50", "12"], ["p99"]], caption: "of all" },
    { kind: "figures", figures: [{ value: "0.6 %", label: "lost", note: "before: 56 %" }] },
    { kind: "code", text: "nodeos noise" },
  );
  assert.match(html, /<tr><td>p50<\/td><td class="right">12<\/td><\/tr>/);
  assert.match(html, /<tr><td>p99<\/td><td class="right"><\/td><\/tr>/, "a missing cell is empty");
  assert.match(html, /<caption>of all<\/caption>/);
  assert.match(html, /<strong>0.6 %<\/strong>lost<span>before: 56 %<\/span>/);
  assert.match(html, /<pre>nodeos noise<\/pre>/);
});

Deno.test("htmlReport() escapes text, wherever it stands", () => {
  const evil = `</title><script>alert("1")</script><!--&'`;
  const html = htmlReport({
    title: evil,
    summary: evil,
    footer: evil,
    sections: [{
      heading: evil,
      parts: [
        { kind: "text", text: evil },
        { kind: "code", text: evil },
        { kind: "figures", figures: [{ value: evil, label: evil, note: evil }] },
        { kind: "table", columns: [{ title: evil }], rows: [[evil]], caption: evil },
        { kind: "svg", svg: "<svg></svg>", caption: evil },
      ],
    }],
  });
  assert.doesNotMatch(html, /<script|<!--/);
  assert.equal(html.split("&lt;script&gt;").length - 1, 14);
});

Deno.test("htmlReport() has the same tags, whatever the words", () => {
  const tags = (text: string) =>
    page({ kind: "text", text }, { kind: "table", columns: [{ title: text }], rows: [[text]] }).match(/<[^>]*>/g);
  const plain = tags("x");
  fc.assert(fc.property(fc.string(), (text) => assert.deepEqual(tags(text), plain)));
});

for (const svg of ["", "<p>no</p>", "text <svg></svg>", "<svg><script>1</script></svg>", "<svg><SCRIPT/></svg>", "<svgx></svgx>"]) {
  Deno.test(`htmlReport() refuses ${JSON.stringify(svg)} as a picture`, () => {
    assert.throws(() => page({ kind: "svg", svg }), TypeError);
  });
}
