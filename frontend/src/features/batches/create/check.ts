/** A file of requests, checked here as it is read, by the rules that the server has for all of it. */
import { lines } from "@/lib/lines";
import type { Issue } from "@/ui/Issues";

export const ENDPOINTS = ["/v1/chat/completions", "/v1/completions"] as const;
export type Endpoint = (typeof ENDPOINTS)[number];
export const MOST_LINES = 50_000;
export const MOST_BYTES = 512 * 2 ** 20;
/** So many problems are shown, with their lines. */
export const SHOWN = 50;
const LONGEST_ID = 512;
const SHOWN_CHARS = 400;
const MAX_LINE_CHARS = 8_000_000;

export interface Look {
  lines: number;
  /** What the first line asks, and so all of them; null where that is nothing that there is. */
  endpoint: Endpoint | null;
  /** What lines name as their model, with how many do. */
  models: ReadonlyMap<string, number>;
  /** The first ones, by line. */
  issues: readonly Issue[];
  issueCount: number;
}

type Line = Record<string, unknown>;
const isObject = (value: unknown): value is Line => typeof value === "object" && value !== null && !Array.isArray(value);

/** Takes line after line. */
export class Check {
  private count = 0;
  private found = 0;
  private endpoint: Endpoint | null = null;
  private readonly issues: Issue[] = [];
  private readonly models = new Map<string, number>();
  private readonly ids = new Map<string, number>();

  take(line: number, text: string, isCut = false): void {
    if (text.trim() === "") return;
    this.count += 1;
    for (const message of this.problems(line, text, isCut)) {
      this.found += 1;
      const shown = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
      if (this.issues.length < SHOWN) this.issues.push({ line, message, text: shown });
    }
  }

  private *problems(line: number, text: string, isCut: boolean): Generator<string> {
    if (this.count === MOST_LINES + 1) yield `a batch has at most ${MOST_LINES.toLocaleString("en-US")} lines`;
    // A line too long to be held here is the server's to judge.
    if (isCut) return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      yield `not JSON: ${error instanceof Error ? error.message : "it cannot be read"}`;
      return;
    }
    if (isObject(value)) yield* this.wrong(line, value);
    else yield "a line is a JSON object";
  }

  private *wrong(line: number, { custom_id: id, method, url, body }: Line): Generator<string> {
    if (typeof id !== "string" || id === "") yield "'custom_id' is a text that names the line";
    else if (id.length > LONGEST_ID) yield `'custom_id' is longer than ${LONGEST_ID} characters`;
    else {
      const first = this.ids.get(id);
      if (first === undefined) this.ids.set(id, line);
      else yield `'custom_id' ${JSON.stringify(id)} is also that of line ${first}`;
    }
    if (method !== "POST") yield "'method' is POST";
    const known = ENDPOINTS.find((one) => one === url);
    if (!known) yield `'url' is one of ${ENDPOINTS.join(", ")}`;
    else if (this.endpoint === null) this.endpoint = known;
    else if (known !== this.endpoint) yield `'url' is ${this.endpoint} in the lines before: all of a batch ask the same`;
    if (!isObject(body)) {
      yield "'body' is the request: an object";
      return;
    }
    if (typeof body.model !== "string" || body.model === "") yield "'body.model' names a deployment";
    else this.models.set(body.model, (this.models.get(body.model) ?? 0) + 1);
    if (body.stream) yield "'body.stream' is not for batches";
  }

  get look(): Look {
    const { count: lines, endpoint, models, issues, found: issueCount } = this;
    if (lines === 0)
      return { lines, endpoint, models, issues: [{ line: 1, message: "the file holds no requests" }], issueCount: 1 };
    return { lines, endpoint, models: new Map(models), issues: [...issues], issueCount };
  }
}

interface Options {
  signal: AbortSignal;
  /** How much of it was read, 0 to 1, and what was found so far. */
  onProgress: (fraction: number, look: Look) => void;
}

const TOLD_MS = 100;

/** Read a file to its end; rejects with the signal's AbortError, or where the file cannot be read. */
export async function check(file: Blob, { signal, onProgress }: Options): Promise<Look> {
  const found = new Check();
  let read = 0;
  let told = performance.now();
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      read += chunk.byteLength;
      controller.enqueue(chunk);
    },
  });
  for await (const { number, text, isCut } of lines(file.stream().pipeThrough(counted), MAX_LINE_CHARS)) {
    found.take(number, text, isCut);
    if (performance.now() - told < TOLD_MS) continue;
    signal.throwIfAborted();
    onProgress(file.size ? read / file.size : 1, found.look);
    // Reading never waits for the screen by itself where the whole file is in memory.
    await new Promise((resume) => setTimeout(resume));
    told = performance.now();
  }
  signal.throwIfAborted();
  return found.look;
}

/** The models of a file that no deployment of the account is called, in the order of how many lines name them. */
export function unknownModels(
  models: ReadonlyMap<string, number>,
  deployments: readonly { id: string; name: string }[],
  account: string,
): string[] {
  const known = new Set(deployments.flatMap(({ id, name }) => [id, `deploy_id:${id}`, name, `${account}/${name}`]));
  return [...models]
    .filter(([model]) => !known.has(model))
    .sort((a, b) => b[1] - a[1])
    .map(([model]) => model);
}
