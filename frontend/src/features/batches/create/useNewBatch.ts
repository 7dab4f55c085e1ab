/** From a chosen file to a batch: it is checked here as it is read, sent, and made a batch of. */
import { useCallback, useEffect, useRef, useState } from "react";
import { type Client, useClient } from "urql";
import { byField, sentence } from "@/lib/errors";
import { useAttempt } from "@/lib/idempotency";
import { type Sent, UploadFailed } from "@/lib/upload";
import { CreateMutation } from "../actions";
import type { Batch } from "../documents";
import { Refused, sendFile } from "../files/send";
import { check, type Look, MOST_BYTES } from "./check";

export type Phase =
  | { is: "empty" }
  | { is: "reading"; file: File; fraction: number; look: Look | null }
  | { is: "ready"; file: File; look: Look }
  | { is: "unreadable"; file: File; message: string }
  /** It is there already; the server has looked at it, or will. */
  | { is: "stored"; id: string }
  | { is: "sending"; file: File; look: Look; sent: Sent }
  | { is: "creating"; name: string };

export interface Failure {
  message: string;
  hint?: string | undefined;
  fields: Record<string, string>;
}

export interface Wanted {
  endpoint: Batch["endpoint"];
  window: string;
  name: string;
}

const FIELDS = ["completionWindow", "metadata", "endpoint"];

export const metadataOf = (name: string): Record<string, string> | null => (name.trim() ? { name: name.trim() } : null);

async function create(client: Client, inputFileId: string, wanted: Wanted, idempotencyKey: string): Promise<string | Failure> {
  const input = {
    inputFileId,
    endpoint: wanted.endpoint,
    completionWindow: wanted.window,
    metadata: metadataOf(wanted.name),
    idempotencyKey,
  };
  const { data, error } = await client.mutation(CreateMutation, { input }).toPromise();
  if (error) return { message: sentence(error), fields: {} };
  const made = data?.createBatch;
  if (made?.batch) return made.batch.id;
  const fields = byField(made?.errors ?? [], FIELDS);
  return {
    message: fields[""] ?? (Object.keys(fields).length ? "" : "The server made nothing."),
    hint: made?.errors.find((one) => one.hint)?.hint ?? undefined,
    fields,
  };
}

export function useNewBatch(onDone: (id: string) => void) {
  const client = useClient();
  const [phase, setPhase] = useState<Phase>({ is: "empty" });
  const [failure, setFailure] = useState<Failure | null>(null);
  const running = useRef<AbortController>(null);
  const attempt = useAttempt();
  /** What was sent once is not sent again because the batch was refused. */
  const kept = useRef<{ file: File; id: string }>(null);
  useEffect(() => () => running.current?.abort(), []);

  const begin = () => {
    running.current?.abort();
    running.current = new AbortController();
    return running.current.signal;
  };
  const choose = useCallback(async (file: File) => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    setFailure(null);
    if (file.size > MOST_BYTES) return setPhase({ is: "unreadable", file, message: "A file of requests has at most 512 MB." });
    setPhase({ is: "reading", file, fraction: 0, look: null });
    try {
      const look = await check(file, {
        signal: abort.signal,
        onProgress: (fraction, look) => setPhase({ is: "reading", file, fraction, look }),
      });
      setPhase({ is: "ready", file, look });
    } catch {
      if (!abort.signal.aborted) setPhase({ is: "unreadable", file, message: "This file cannot be read here." });
    }
  }, []);

  const start = async (wanted: Wanted) => {
    const before = phase;
    if (before.is !== "ready" && before.is !== "stored") return;
    setFailure(null);
    const signal = begin();
    try {
      let id = before.is === "stored" ? before.id : kept.current?.file === before.file ? kept.current.id : null;
      if (id === null && before.is === "ready") {
        const { file, look } = before;
        const sent = (sent: Sent) => setPhase({ is: "sending", file, look, sent });
        sent({ bytes: 0, total: file.size, bytesPerSecond: null });
        id = await sendFile(client, file, { signal, sent });
        kept.current = { file, id };
      }
      if (id === null) return;
      setPhase({ is: "creating", name: before.is === "ready" ? before.file.name : before.id });
      const made = await create(client, id, wanted, attempt([id, wanted]));
      if (typeof made === "string") return onDone(made);
      setFailure(made);
    } catch (error) {
      if (error instanceof Refused || error instanceof UploadFailed)
        setFailure({ message: error.message, hint: error instanceof Refused ? error.hint : undefined, fields: {} });
      else if (!signal.aborted) throw error;
    }
    setPhase(before);
  };

  return {
    phase,
    failure,
    choose,
    use: useCallback((id: string) => setPhase({ is: "stored", id }), []),
    start,
    cancel: () => running.current?.abort(),
    reset: () => {
      running.current?.abort();
      setFailure(null);
      setPhase({ is: "empty" });
    },
  };
}
