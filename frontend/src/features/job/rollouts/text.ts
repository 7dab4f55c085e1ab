/** Text as it really is: what cannot be seen made visible, and what a pattern found marked. */

export interface Piece {
  text: string;
  kind: "plain" | "hidden" | "found";
}

const SHOWN: Record<string, string> = { " ": "·", "\t": "→\t", "\n": "↵\n", "\r": "␍", "\u00a0": "⍽" };
// Spaces, controls, zero-width and direction marks, and what has no glyph of its own.
const HIDDEN = /[\s\p{Cc}\p{Cf}\p{Zs}]/u;
const ALWAYS = /[\p{Cc}\p{Cf}]/u;

function stand(character: string): string {
  return SHOWN[character] ?? `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** With `all`, spaces too; else only what would go unseen and is neither a space nor a line's end. */
function reveal(text: string, all: boolean, kind: "plain" | "found"): Piece[] {
  const found: Piece[] = [];
  let run = "";
  const end = () => {
    if (run) found.push({ text: run, kind });
    run = "";
  };
  for (const character of text) {
    const hidden = all ? HIDDEN.test(character) : ALWAYS.test(character) && !"\n\t\r".includes(character);
    if (!hidden) {
      run += character;
      continue;
    }
    end();
    const last = found.at(-1);
    const shown = stand(character);
    if (last?.kind === "hidden") last.text += shown;
    else found.push({ text: shown, kind: "hidden" });
  }
  end();
  return found;
}

const MOST_MARKS = 500;

export function pieces(text: string, visible: boolean, pattern: RegExp | null): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  if (pattern) {
    let marks = 0;
    for (const match of text.matchAll(pattern)) {
      if (!match[0]) continue;
      marks += 1;
      if (marks > MOST_MARKS) break;
      found.push(...reveal(text.slice(at, match.index), visible, "plain"), ...reveal(match[0], visible, "found"));
      at = match.index + match[0].length;
    }
  }
  found.push(...reveal(text.slice(at), visible, "plain"));
  return found;
}
