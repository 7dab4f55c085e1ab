/** A look at the first rows before anything is sent, by the rules that the server has for all of them. */
import { lines } from "@/lib/lines";
import type { Issue } from "@/ui/Issues";
import { rowsOf } from "./file";

export interface FirstLook {
  rows: number;
  columns: string[];
  issues: Issue[];
  /** Whether these were all rows of the file. */
  isWhole: boolean;
}

const LOOKED_AT = 500;
const MAX_ISSUES = 20;
const MAX_LINE_CHARS = 1_000_000;
const ROLES = new Set(["system", "user", "assistant", "tool", "developer"]);
const VIDEO_KEYS = ["video", "video_path", "file_name"];

type Row = Record<string, unknown>;
const isRow = (value: unknown): value is Row => typeof value === "object" && value !== null && !Array.isArray(value);

function isMessage(value: unknown): boolean {
  if (!isRow(value) || typeof value.role !== "string" || !ROLES.has(value.role)) return false;
  return typeof value.content === "string" || Array.isArray(value.content);
}

const isVideo = (row: Row) => VIDEO_KEYS.some((key) => typeof row[key] === "string" && row[key] !== "");

/** Why an object is no row of a dataset; null where it is one. */
export function problemOf(row: Row): string | null {
  const key = !("prompt" in row) && "caption" in row && isVideo(row) ? "caption" : "prompt";
  if (!(key in row)) return "no 'prompt'";
  const prompt = row[key];
  if (typeof prompt === "string") return prompt.trim() ? null : `'${key}' is empty`;
  if (key === "caption") return "'caption' is a text";
  if (!Array.isArray(prompt) || prompt.length === 0) return "'prompt' is a text or a list of messages";
  const wrong = prompt.findIndex((message) => !isMessage(message));
  return wrong < 0 ? null : `'prompt[${wrong}]' is not a message {role, content} with a role of ${[...ROLES].join(", ")}`;
}

/** The object of a line, or why it has none. */
export function parseLine(text: string): { row: Row } | { problem: string } {
  try {
    const value: unknown = JSON.parse(text);
    return isRow(value) ? { row: value } : { problem: "a row is a JSON object" };
  } catch (error) {
    return { problem: `not JSON: ${error instanceof Error ? error.message : "it cannot be read"}` };
  }
}

/** Look at the first rows; null for what only the server can unpack. */
export async function firstLook(file: Blob): Promise<FirstLook | null> {
  const stream = await rowsOf(file);
  if (!stream) return null;
  const columns = new Set<string>();
  const issues: Issue[] = [];
  let rows = 0;
  let isWhole = true;
  for await (const { number, text, isCut } of lines(stream, MAX_LINE_CHARS)) {
    if (number > LOOKED_AT || issues.length >= MAX_ISSUES) {
      isWhole = false;
      break;
    }
    // A line too long to be held here is the server's to judge.
    if (!text.trim() || isCut) continue;
    const parsed = parseLine(text);
    const problem = "row" in parsed ? problemOf(parsed.row) : parsed.problem;
    if (problem !== null) issues.push({ line: number, message: problem, text });
    else if ("row" in parsed) {
      rows += 1;
      for (const name of Object.keys(parsed.row)) columns.add(name);
    }
  }
  if (isWhole && rows === 0 && issues.length === 0) issues.push({ line: 1, message: "the file holds no rows" });
  return { rows, columns: [...columns], issues, isWhole };
}
