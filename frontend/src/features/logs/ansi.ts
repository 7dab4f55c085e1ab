/** Terminal output as text: colours become spans of known looks, everything else that a terminal would obey is dropped. */

export type Ink = "plain" | "faint" | "red" | "green" | "yellow" | "blue";

export interface Span {
  text: string;
  ink: Ink;
  bold: boolean;
}

const INKS: Record<number, Ink> = {
  30: "faint",
  31: "red",
  32: "green",
  33: "yellow",
  34: "blue",
  35: "blue",
  36: "blue",
  37: "plain",
};

// CSI, OSC (ended by BEL or ST), the other strings, and what has two characters.
const ESCAPE = new RegExp(
  [
    "\u001b\\[([0-?]*)[ -/]*([@-~])",
    "\u001b\\][^\u0007\u001b]*(?:\u0007|\u001b\\\\)?",
    "\u001b[PX^_][^\u001b]*(?:\u001b\\\\)?",
    "\u001b[ -/]*[0-~]?",
  ].join("|"),
  "g",
);
/** All control characters but the tab. */
const CONTROL = /[^\P{Cc}\t]/gu;

const clean = (text: string): string => text.replace(CONTROL, "");

/** What a progress bar has left standing: after a carriage return the line is written anew. */
function lastWriting(message: string): string {
  const trimmed = message.replace(/\r+$/, "");
  return trimmed.slice(trimmed.lastIndexOf("\r") + 1);
}

/** `38;5;N` and `38;2;R;G;B` take their numbers with them; such colours are left out, for their contrast is unknown. */
function style(codes: string, was: { ink: Ink; bold: boolean }): { ink: Ink; bold: boolean } {
  let { ink, bold } = was;
  const numbers = codes === "" ? [0] : codes.split(/[;:]/).map(Number);
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at] ?? 0;
    if (code === 0) [ink, bold] = ["plain", false];
    else if (code === 1) bold = true;
    else if (code === 2) ink = "faint";
    else if (code === 22) [bold, ink] = [false, ink === "faint" ? "plain" : ink];
    else if (code === 39) ink = "plain";
    else if (code === 38 || code === 48) at += numbers[at + 1] === 5 ? 2 : 4;
    else if (code >= 30 && code <= 37) ink = INKS[code] ?? "plain";
    else if (code >= 90 && code <= 97) ink = INKS[code - 60] ?? "plain";
  }
  return { ink, bold };
}

export function spans(message: string): Span[] {
  const text = lastWriting(message);
  const found: Span[] = [];
  let look: { ink: Ink; bold: boolean } = { ink: "plain", bold: false };
  let from = 0;
  const take = (to: number) => {
    const part = clean(text.slice(from, to));
    if (part) found.push({ text: part, ...look });
  };
  for (const match of text.matchAll(ESCAPE)) {
    take(match.index);
    from = match.index + match[0].length;
    if (match[2] === "m") look = style(match[1] ?? "", look);
  }
  take(text.length);
  return found;
}

export const plain = (message: string): string =>
  spans(message)
    .map((span) => span.text)
    .join("");
