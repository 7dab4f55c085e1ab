/** One streamed answer of the OpenAI route, as the dashboard asks it: same origin, by the session. */
import { signedOut } from "@/lib/session";
import { EventParser } from "./sse";

export const PATH = "/v1/chat/completions";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface Settings {
  system: string;
  temperature: number | null;
  topP: number | null;
  maxTokens: number | null;
  seed: number | null;
  /** Texts at which the answer ends, one a line. */
  stop: string;
  logprobs: boolean;
}

export const DEFAULTS: Settings = {
  system: "",
  temperature: null,
  topP: null,
  maxTokens: 512,
  seed: null,
  stop: "",
  logprobs: false,
};

export interface TokenProbability {
  token: string;
  /** 0 to 1. */
  probability: number;
  /** The likeliest ones there, itself among them. */
  others: { token: string; probability: number }[];
}

export interface Piece {
  text: string;
  tokens?: TokenProbability[];
  finish?: string;
  usage?: { prompt: number; completion: number };
}

/** In the server's words; `retryAfterS` where the same may be answered so many seconds later. */
export class ChatFailure extends Error {
  readonly retryAfterS: number | undefined;

  constructor(message: string, retryAfterS?: number) {
    super(message);
    this.retryAfterS = retryAfterS;
  }
}

export function body(model: string, messages: readonly ChatMessage[], settings: Settings) {
  const stop = settings.stop.split("\n").filter(Boolean);
  return {
    model,
    messages: [...(settings.system ? [{ role: "system" as const, content: settings.system }] : []), ...messages],
    ...(settings.temperature === null ? {} : { temperature: settings.temperature }),
    ...(settings.topP === null ? {} : { top_p: settings.topP }),
    ...(settings.maxTokens === null ? {} : { max_tokens: settings.maxTokens }),
    ...(settings.seed === null ? {} : { seed: settings.seed }),
    ...(stop.length ? { stop } : {}),
    ...(settings.logprobs ? { logprobs: true, top_logprobs: 5 } : {}),
  };
}

interface WireToken {
  token: string;
  logprob: number;
}
interface WireChunk {
  choices?: {
    delta?: { content?: string | null };
    finish_reason?: string | null;
    logprobs?: { content?: (WireToken & { top_logprobs?: WireToken[] })[] | null } | null;
  }[];
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
  error?: { message?: string } | string;
}

const probable = ({ token, logprob }: WireToken) => ({ token, probability: Math.exp(logprob) });

export function pieceOf(data: string): Piece {
  const chunk = JSON.parse(data) as WireChunk;
  if (chunk.error)
    throw new ChatFailure(typeof chunk.error === "string" ? chunk.error : (chunk.error.message ?? "The answer broke off."));
  const choice = chunk.choices?.[0];
  const tokens = choice?.logprobs?.content?.map((one) => ({ ...probable(one), others: (one.top_logprobs ?? []).map(probable) }));
  return {
    text: choice?.delta?.content ?? "",
    ...(tokens?.length ? { tokens } : {}),
    ...(choice?.finish_reason ? { finish: choice.finish_reason } : {}),
    ...(chunk.usage ? { usage: { prompt: chunk.usage.prompt_tokens, completion: chunk.usage.completion_tokens } } : {}),
  };
}

async function refusal(response: Response): Promise<ChatFailure> {
  if (response.status === 401) signedOut();
  const text = await response.text();
  const after = response.status === 503 ? Number(response.headers.get("retry-after") ?? Number.NaN) : Number.NaN;
  const retryAfterS = Number.isFinite(after) ? after : undefined;
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } };
    if (error?.message) return new ChatFailure(error.message, retryAfterS);
  } catch {
    // Not one of ours: a proxy between here and the server answers in its own words.
  }
  return new ChatFailure(`The server answered ${response.status} ${response.statusText}.`, retryAfterS);
}

/** The pieces of an answer, as they come; ends early where `signal` says so. */
export async function* complete(request: ReturnType<typeof body>, signal: AbortSignal): AsyncGenerator<Piece> {
  let response: Response;
  try {
    response = await fetch(PATH, {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
      signal,
    });
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof TypeError ? new ChatFailure("The server cannot be reached.") : error;
  }
  if (!response.ok || !response.body) throw await refusal(response);
  const parser = new EventParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new ChatFailure("The answer broke off.");
      for (const data of parser.push(value)) {
        if (data === "[DONE]") return;
        yield pieceOf(data);
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof TypeError ? new ChatFailure("The connection was lost.") : error;
  } finally {
    void reader.cancel().catch(() => {});
  }
}
