const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Escapes text for HTML and SVG, between tags and in quoted attributes; characters that XML forbids become `�`. */
export function escapeMarkup(text: string): string {
  return [...text].map((letter) => entities[letter] ?? (isForbidden(letter.codePointAt(0) ?? 0) ? "\uFFFD" : letter)).join("");
}

function isForbidden(code: number): boolean {
  return code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d || code >= 0xd800 && code <= 0xdfff || code === 0xfffe ||
    code === 0xffff;
}
