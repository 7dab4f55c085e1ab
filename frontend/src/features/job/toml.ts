/** A job file as `burnish jobs create -f` reads it. */
import type { Json } from "@/lib/graphql";

const bare = (key: string): string => (/^[A-Za-z0-9_-]+$/.test(key) ? key : quoted(key));

/** A basic string: what JSON escapes, TOML escapes alike, and `DEL` besides. */
const quoted = (text: string): string => JSON.stringify(text).replaceAll("\u007f", "\\u007F");

function number(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return String(value);
}

/** A value in one line. TOML has no null: who writes one leaves the key out. */
export function tomlValue(value: Json): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return String(value);
  if (value === null) throw new TypeError("TOML has no null.");
  if (Array.isArray(value))
    return `[${value
      .filter((one) => one !== null)
      .map(tomlValue)
      .join(", ")}]`;
  const pairs = Object.entries(value).filter(([, one]) => one !== null);
  return pairs.length ? `{ ${pairs.map(([key, one]) => `${bare(key)} = ${tomlValue(one)}`).join(", ")} }` : "{}";
}

const isTable = (value: Json | undefined): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A document: plain keys first, then the tables named, one level deep; nulls are left out. */
export function toml(values: Record<string, Json | undefined>, tables: readonly string[] = []): string {
  const lines: string[] = [];
  const entries = Object.entries(values).filter((entry): entry is [string, Json] => entry[1] !== null && entry[1] !== undefined);
  for (const [key, value] of entries) if (!tables.includes(key)) lines.push(`${bare(key)} = ${tomlValue(value)}`);
  for (const [key, value] of entries) {
    if (!tables.includes(key) || !isTable(value)) continue;
    const inner = Object.entries(value).filter(([, one]) => one !== null);
    if (inner.length) lines.push("", `[${bare(key)}]`, ...inner.map(([name, one]) => `${bare(name)} = ${tomlValue(one)}`));
  }
  return `${lines.join("\n")}\n`;
}
