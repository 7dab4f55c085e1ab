/**
 * Conversations with several models side by side, outside of React: answers grow many times a second, and who looks is told at most
 * once a frame. Kept for as long as the tab is open.
 */
import { ownKey } from "@/lib/own";
import {
  body,
  ChatFailure,
  type ChatMessage,
  complete,
  DEFAULTS,
  type Piece,
  type Settings,
  type TokenProbability,
} from "./complete";

export interface Turn {
  id: number;
  role: "user" | "assistant";
  text: string;
  state: "streaming" | "done" | "stopped" | "failed";
  error?: string;
  /** When it was asked, in milliseconds, of an answer that has not ended. */
  askedAt?: number;
  tokens?: TokenProbability[];
  finish?: string;
  ttftMs?: number;
  promptTokens?: number;
  completionTokens?: number;
  /** Of the answer's tokens after the first. */
  tokensPerSecond?: number;
}

export interface Saved {
  columns: Record<string, Turn[]>;
  settings: Settings;
  /** Of the columns that are asked otherwise than the rest. */
  own: Record<string, Settings>;
}

/** A deployment that wakes is asked again for so long. */
const PATIENCE_MS = 300_000;

/** Resolves after a while, or at once when the signal says so. */
const pause = (seconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    if (signal.aborted) return done();
    const timer = setTimeout(done, seconds * 1000);
    signal.addEventListener("abort", () => [clearTimeout(timer), done()], { once: true });
  });

const key = () => ownKey("chat");
const NONE: readonly Turn[] = [];

function restore(): Saved {
  try {
    const saved = JSON.parse(sessionStorage.getItem(key()) ?? "") as Saved;
    const columns = Object.entries(saved.columns).map(([model, turns]) => [
      model,
      // What was under way when the page was left is not any more.
      turns.map((turn) => (turn.state === "streaming" ? { ...turn, state: "stopped" as const } : turn)),
    ]);
    const own = Object.entries(saved.own ?? {}).map(([model, settings]) => [model, { ...DEFAULTS, ...settings }]);
    return {
      columns: Object.fromEntries(columns) as Saved["columns"],
      settings: { ...DEFAULTS, ...saved.settings },
      own: Object.fromEntries(own) as Saved["own"],
    };
  } catch {
    return { columns: {}, settings: DEFAULTS, own: {} };
  }
}

/** An answer, asked for again as often as the server says that it will have one a little later. */
async function* patiently(request: ReturnType<typeof body>, signal: AbortSignal): AsyncGenerator<Piece> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return yield* complete(request, signal);
    } catch (error) {
      // Only a refusal says when to come back: nothing of the answer has been given then.
      if (!(error instanceof ChatFailure) || error.retryAfterS === undefined) throw error;
      if (performance.now() + error.retryAfterS * 1000 > until) throw error;
      await pause(error.retryAfterS, signal);
      if (signal.aborted) return;
    }
  }
}

export class Conversation {
  private saved = restore();
  private readonly running = new Map<string, AbortController>();
  private readonly listeners = new Set<() => void>();
  private notice = 0;
  private next = Math.max(0, ...Object.values(this.saved.columns).flatMap((turns) => turns.map((turn) => turn.id))) + 1;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  turns = (model: string): readonly Turn[] => this.saved.columns[model] ?? NONE;
  /** How a model is asked: as all are, unless it has settings of its own. */
  settings = (model?: string): Settings => (model === undefined ? undefined : this.saved.own[model]) ?? this.saved.settings;
  hasOwn = (model: string): boolean => model in this.saved.own;
  streaming = (): number => this.running.size;
  isStreaming = (model: string): boolean => this.running.has(model);

  /** Of one model, or of all that have none of their own. */
  set(settings: Partial<Settings>, model?: string): void {
    const next = { ...this.settings(model), ...settings };
    this.saved =
      model === undefined ? { ...this.saved, settings: next } : { ...this.saved, own: { ...this.saved.own, [model]: next } };
    this.tell();
    this.keep();
  }

  /** Ask a model as the others again. */
  disown(model: string): void {
    const { [model]: _, ...own } = this.saved.own;
    this.saved = { ...this.saved, own };
    this.tell();
    this.keep();
  }

  /** Ask all of these models the same. */
  send(models: readonly string[], text: string): void {
    for (const model of models) {
      this.write(model, [...this.turns(model), { id: this.next++, role: "user", text, state: "done" }]);
      void this.answer(model);
    }
  }

  /** Ask again what was asked last. */
  regenerate(model: string): void {
    const turns = this.turns(model);
    const asked = turns.findLastIndex((turn) => turn.role === "user");
    if (asked < 0) return;
    this.stop(model);
    this.write(model, turns.slice(0, asked + 1));
    void this.answer(model);
  }

  /** Ask something else in the place of the `ordinal`th question, in every column that has it; what followed is dropped. */
  edit(models: readonly string[], ordinal: number, text: string): void {
    for (const model of models) {
      const turns = this.turns(model);
      const asked = turns.filter((turn) => turn.role === "user")[ordinal];
      if (!asked) continue;
      this.stop(model);
      this.write(model, [...turns.slice(0, turns.indexOf(asked)), { ...asked, text }]);
      void this.answer(model);
    }
  }

  stop(model?: string): void {
    for (const [name, running] of this.running) if (model === undefined || name === model) running.abort();
  }

  clear(): void {
    this.stop();
    this.saved = { ...this.saved, columns: {} };
    this.tell();
    this.keep();
  }

  /** What a model is asked next: its own column, without what failed. */
  messages(model: string): ChatMessage[] {
    return this.turns(model)
      .filter((turn) => turn.state !== "failed" && (turn.role === "user" || turn.text !== ""))
      .map((turn) => ({ role: turn.role, content: turn.text }));
  }

  private async answer(model: string): Promise<void> {
    this.running.get(model)?.abort();
    const running = new AbortController();
    this.running.set(model, running);
    const request = body(model, this.messages(model), this.settings(model));
    const turn: Turn = { id: this.next++, role: "assistant", text: "", state: "streaming", askedAt: Date.now() };
    this.write(model, [...this.turns(model), turn]);
    const change = (to: Partial<Turn>) => {
      Object.assign(turn, to);
      this.write(
        model,
        this.turns(model).map((one) => (one.id === turn.id ? { ...turn } : one)),
      );
    };
    const begun = performance.now();
    let [first, count] = [0, 0];
    try {
      for await (const piece of patiently(request, running.signal)) {
        if ((piece.text || piece.tokens) && !first) {
          first = performance.now();
          change({ ttftMs: first - begun });
        }
        count += piece.tokens?.length ?? (piece.text ? 1 : 0);
        const seconds = (performance.now() - first) / 1000;
        change({
          text: turn.text + piece.text,
          ...(piece.tokens ? { tokens: [...(turn.tokens ?? []), ...piece.tokens] } : {}),
          ...(piece.finish ? { finish: piece.finish } : {}),
          // The usage comes at the end, in a piece of its own that has no part in the speed.
          ...(piece.usage
            ? { promptTokens: piece.usage.prompt, completionTokens: piece.usage.completion }
            : { completionTokens: count, ...(count > 1 && seconds > 0 ? { tokensPerSecond: (count - 1) / seconds } : {}) }),
        });
      }
      change({ state: running.signal.aborted ? "stopped" : "done" });
    } catch (error) {
      change({ state: "failed", error: error instanceof ChatFailure ? error.message : String(error) });
    } finally {
      if (this.running.get(model) === running) this.running.delete(model);
      this.tell();
      this.keep();
    }
  }

  private write(model: string, turns: Turn[]): void {
    this.saved = { ...this.saved, columns: { ...this.saved.columns, [model]: turns } };
    this.tell();
  }

  private tell(): void {
    if (this.notice) return;
    this.notice = requestAnimationFrame(() => {
      this.notice = 0;
      for (const listener of this.listeners) listener();
    });
  }

  private keep(): void {
    try {
      sessionStorage.setItem(key(), JSON.stringify(this.saved));
    } catch {
      // Full, or not allowed: then it lasts as long as the page.
    }
  }
}
