/** Cutting the text of a line into what was searched for and what was not, across the spans of its colours. */
import type { Span } from "./ansi";

export interface Piece extends Span {
  match: boolean;
}

/** Where `word` is, whatever its case, without overlaps. */
export function matches(text: string, word: string): [number, number][] {
  if (!word) return [];
  const found: [number, number][] = [];
  const low = text.toLowerCase();
  const sought = word.toLowerCase();
  // Lower case can be longer than the text it is of (İ): then places would not fit, and nothing is marked.
  if (low.length !== text.length) return [];
  for (let at = low.indexOf(sought); at >= 0; at = low.indexOf(sought, at + sought.length)) found.push([at, at + sought.length]);
  return found;
}

export function highlight(spans: readonly Span[], word: string): Piece[] {
  const marked = matches(spans.map((span) => span.text).join(""), word);
  if (marked.length === 0) return spans.map((span) => ({ ...span, match: false }));
  const pieces: Piece[] = [];
  let offset = 0;
  for (const span of spans) {
    const end = offset + span.text.length;
    let at = offset;
    for (const [from, to] of marked) {
      if (to <= at || from >= end) continue;
      if (from > at) pieces.push({ ...span, text: span.text.slice(at - offset, from - offset), match: false });
      const start = Math.max(at, from);
      at = Math.min(end, to);
      pieces.push({ ...span, text: span.text.slice(start - offset, at - offset), match: true });
    }
    if (at < end) pieces.push({ ...span, text: span.text.slice(at - offset), match: false });
    offset = end;
  }
  return pieces;
}
