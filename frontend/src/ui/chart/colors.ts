/** The colours of the tokens as a canvas takes them. */

export function readColors(names: readonly string[]): (name: string) => string {
  const style = getComputedStyle(document.documentElement);
  const found = new Map(names.map((name) => [name, style.getPropertyValue(name).trim()]));
  return (name) => found.get(name) ?? style.getPropertyValue(name).trim();
}

/** A six-digit colour with an alpha of 0 to 1. */
export function fade(color: string, alpha: number): string {
  if (!/^#[\da-f]{6}$/i.test(color)) return color;
  return `${color}${Math.round(alpha * 255)
    .toString(16)
    .padStart(2, "0")}`;
}
