/** One upload from the chosen file to the dataset: a look here, the bytes, and the server's own look at all of them. */
import { useCallback, useEffect, useRef, useState } from "react";
import { type Client, useClient } from "urql";
import { sentence } from "@/lib/errors";
import { newKey } from "@/lib/idempotency";
import { putFile, type Sent, UploadFailed } from "@/lib/upload";
import type { Issue } from "@/ui/Issues";
import { CreateDataset, CreateUpload } from "../documents";
import { readLines } from "./file";
import { type FirstLook, firstLook } from "./precheck";

export interface MadeDataset {
  id: string;
  name: string;
}

export type UploadState =
  | { phase: "empty" }
  | { phase: "looking" | "checking"; file: File }
  | { phase: "ready"; file: File; look: FirstLook | null }
  | { phase: "sending"; file: File; sent: Sent }
  | { phase: "rejected"; file: File; message: string; issues: Issue[] }
  | { phase: "failed"; file: File; message: string; hint?: string | undefined };

interface Outcome {
  dataset?: MadeDataset;
  rejected?: { message: string; issues: Issue[] };
}

class Refused extends Error {
  hint: string | undefined;
  constructor(message: string, hint?: string | null) {
    super(message);
    this.hint = hint ?? undefined;
  }
}

async function room(client: Client, file: File): Promise<{ id: string; url: string }> {
  const { data, error } = await client.mutation(CreateUpload, { input: { idempotencyKey: newKey() } }).toPromise();
  if (error) throw new Refused(sentence(error));
  const wrong = data?.createUpload.errors[0];
  const upload = data?.createUpload.upload;
  if (!upload) throw new Refused(wrong?.message ?? "The server gave no place for the file.", wrong?.hint);
  if (file.size > Number(upload.maxBytes)) {
    throw new Refused(`An upload has at most ${upload.maxBytes} bytes, and this file has ${file.size}.`);
  }
  return upload;
}

async function make(client: Client, file: File, name: string, uploadId: string): Promise<Outcome> {
  const { data, error } = await client
    .mutation(CreateDataset, { input: { name, uploadId, idempotencyKey: newKey() } })
    .toPromise();
  if (error) throw new Refused(sentence(error));
  const made = data?.createDataset;
  if (made?.dataset) return { dataset: made.dataset };
  const wrong = made?.errors[0];
  if (!wrong || !("issues" in wrong)) throw new Refused(wrong?.message ?? "The server made nothing.", wrong?.hint);
  const texts = await readLines(
    file,
    wrong.issues.flatMap((issue) => issue.line ?? []),
  );
  const issues = wrong.issues.map(({ line, message }) => ({ line: line ?? 1, message, text: texts.get(line ?? 1) }));
  return { rejected: { message: wrong.message, issues } };
}

/** Send a file and make a dataset of it; Refused or UploadFailed with what went wrong. */
export async function upload(
  client: Client,
  file: File,
  name: string,
  on: { signal: AbortSignal; sent: (sent: Sent) => void; checking: () => void },
): Promise<Outcome> {
  const { id, url } = await room(client, file);
  await putFile(url, file, { signal: on.signal, onProgress: on.sent });
  on.checking();
  return make(client, file, name, id);
}

export function useUpload(onDone: (dataset: MadeDataset) => void) {
  const client = useClient();
  const [state, setState] = useState<UploadState>({ phase: "empty" });
  const running = useRef<AbortController | null>(null);
  const chosen = useRef<File | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const choose = useCallback(async (file: File) => {
    chosen.current = file;
    setState({ phase: "looking", file });
    const look = await firstLook(file).catch(() => null);
    if (chosen.current === file) setState({ phase: "ready", file, look });
  }, []);

  const send = useCallback(
    async (file: File, name: string) => {
      const abort = new AbortController();
      running.current = abort;
      // At once, so that a second press finds nothing to press.
      setState({ phase: "sending", file, sent: { bytes: 0, total: file.size, bytesPerSecond: null } });
      try {
        const { dataset, rejected } = await upload(client, file, name, {
          signal: abort.signal,
          sent: (sent) => setState({ phase: "sending", file, sent }),
          checking: () => setState({ phase: "checking", file }),
        });
        if (dataset) onDone(dataset);
        else if (rejected) setState({ phase: "rejected", file, ...rejected });
      } catch (error) {
        if (abort.signal.aborted) await choose(file);
        else if (error instanceof Refused) setState({ phase: "failed", file, message: error.message, hint: error.hint });
        else if (error instanceof UploadFailed) setState({ phase: "failed", file, message: error.message });
        else throw error;
      }
    },
    [client, onDone, choose],
  );

  return { state, choose, send, cancel: () => running.current?.abort(), reset: () => setState({ phase: "empty" }) };
}
