/** A conversation as it was had: what was said, which tools were called, and what they gave. */
import type { Json } from "@/lib/graphql";

export interface Call {
  name: string;
  /** As JSON where it is that, else as it was written. */
  input: Json;
}

export interface Turn {
  role: string;
  text: string;
  calls: readonly Call[];
  /** The tool that a result is of. */
  name: string | null;
  reward: number | null;
  finished: boolean;
  /** Whatever else the message holds. */
  rest: { [name: string]: Json };
}

const isRecord = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The words of a message: parts of text are joined, others named. */
function words(content: Json | undefined): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return JSON.stringify(content, null, 2);
  return content
    .map((part) => {
      if (!isRecord(part)) return JSON.stringify(part);
      return typeof part.text === "string" ? part.text : `[${typeof part.type === "string" ? part.type : "part"}]`;
    })
    .join("\n");
}

function read(text: Json | undefined): Json {
  if (typeof text !== "string") return text ?? null;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** Calls as OpenAI writes them, or with name and arguments at the top as some chat templates have them. */
function callsOf(calls: Json | undefined): Call[] {
  if (!Array.isArray(calls)) return [];
  return calls.filter(isRecord).map((call) => {
    const told = isRecord(call.function) ? call.function : call;
    return { name: typeof told.name === "string" ? told.name : "unnamed", input: read(told.arguments) };
  });
}

/** Null where it is no list of messages. */
export function turnsOf(messages: Json): Turn[] | null {
  if (!Array.isArray(messages) || !messages.every(isRecord)) return null;
  return messages.map(({ role, content, tool_calls, name, reward, finished, tool_call_id: _, ...rest }) => ({
    role: typeof role === "string" ? role : "message",
    text: words(content),
    calls: callsOf(tool_calls),
    name: typeof name === "string" ? name : null,
    reward: typeof reward === "number" ? reward : null,
    finished: finished === true,
    rest: Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null)),
  }));
}

/** What came after the prompt, which stands above all completions of a group; all of it where it begins otherwise. */
export function after(turns: readonly Turn[], prompt: Json): readonly Turn[] {
  const asked = turnsOf(prompt) ?? [];
  const same = asked.every((one, index) => turns[index]?.role === one.role && turns[index]?.text === one.text);
  return same && asked.length < turns.length ? turns.slice(asked.length) : turns;
}

export const callCount = (turns: readonly Turn[]): number => turns.reduce((sum, turn) => sum + turn.calls.length, 0);
