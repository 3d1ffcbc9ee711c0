import type { CST } from "yaml";

/** Deeper than any specification; what reads YAML calls itself for each level, and gets slow long before its stack ends. */
export const yamlDepthMax = 16;

/**
 * Offset of a collection that is nested deeper than {@link yamlDepthMax}, or `null`.
 *
 * It looks at tokens, and without calling itself: the text may be a million brackets.
 */
export function tooDeepOffset(root: CST.Token): number | null {
  const left: { token: CST.Token | null | undefined; depth: number }[] = [{ token: root, depth: 0 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { token, depth } = next;
    if (!token) continue;
    if (depth > yamlDepthMax) return token.offset;
    if (token.type === "document") left.push({ token: token.value, depth });
    if (!("items" in token)) continue;
    for (const { key, value } of token.items) left.push({ token: key, depth: depth + 1 }, { token: value, depth: depth + 1 });
  }
  return null;
}
