/** A row as the cells of a table: the prompt as one text, the rest as it stands. */
import type { Json } from "@/lib/graphql";
import type { RowOfDataset } from "../documents";

const CELL_CHARS = 300;

const isRecord = (value: Json | undefined): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function textOf(content: Json | undefined): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (isRecord(part) && typeof part.text === "string" ? part.text : "")).join("");
}

/** Messages as one line: without the system's, which most rows share; with roles only where several are left. */
export function promptText(prompt: Json): string {
  if (!Array.isArray(prompt)) return typeof prompt === "string" ? prompt : JSON.stringify(prompt);
  const all = prompt.filter(isRecord);
  const said = all.filter((message) => message.role !== "system");
  const messages = said.length > 0 ? said : all;
  if (messages.length === 1) return textOf(messages[0]?.content);
  return messages.map((message) => `${String(message.role)}: ${textOf(message.content)}`).join("  ");
}

export function cell(data: Json, column: string): string {
  if (!isRecord(data)) return "";
  const value = data[column];
  if (value === undefined) return "";
  const text = column === "prompt" ? promptText(value) : typeof value === "string" ? value : JSON.stringify(value);
  return text.length > CELL_CHARS ? `${text.slice(0, CELL_CHARS)}…` : text;
}

/** The prompt first, then the others in their order. */
export function ordered(columns: readonly string[]): string[] {
  const lead = columns.includes("prompt") ? "prompt" : "caption";
  return [...columns.filter((name) => name === lead), ...columns.filter((name) => name !== lead)];
}

export const whole = (row: RowOfDataset): string => (row.data === null ? row.preview : JSON.stringify(row.data, null, 2));
