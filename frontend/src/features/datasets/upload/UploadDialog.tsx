import { useEffect, useRef, useState } from "react";
import { bytes, count } from "@/lib/format";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { DropZone } from "@/ui/DropZone";
import { ErrorNote, Note } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import { Issues } from "@/ui/Issues";
import { Progress } from "@/ui/Progress";
import { type MadeDataset, type UploadState, useUpload } from "./useUpload";

interface UploadDialogProps {
  /** A file that was chosen already, by dropping it on the page. */
  file?: File | undefined;
  onClose: () => void;
  onDone: (dataset: MadeDataset) => void;
}

/** What the server takes; it judges a file by its bytes. */
const ACCEPTED = ".jsonl,.json,.ndjson,.gz,.zst,.zip,.tar,.tgz";
const HINT = "JSONL, also in gzip or zstd; a zip or tar with metadata.jsonl for video rows";

export const nameOf = (file: File): string =>
  file.name.replace(/\.(jsonl|json|ndjson|zip|tar|tgz)?(\.(gz|zst))?$/i, "").slice(0, 128);

/** From a file to a dataset. */
export function UploadDialog({ file: given, onClose, onDone }: UploadDialogProps) {
  const { state, choose, send, cancel, reset } = useUpload(onDone);
  const [name, setName] = useState("");
  const pick = (file: File) => {
    setName(nameOf(file));
    void choose(file);
  };
  const first = useRef(pick);
  useEffect(() => {
    if (given) first.current(given);
  }, [given]);

  const isRejected = state.phase === "rejected";
  const moves = state.phase === "sending" || state.phase === "checking";
  const file = state.phase === "empty" ? null : state.file;
  const problems = state.phase === "ready" && (state.look?.issues.length ?? 0) > 0;
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => {
        if (!open && !moves) onClose();
      }}
      title="Upload a dataset"
      description="One JSON object a line, each with a prompt; every other column reaches the reward function."
      footer={
        file && (
          <>
            {state.phase === "sending" && <Button onClick={cancel}>Cancel the upload</Button>}
            {file && !moves && <Button onClick={reset}>Choose another file</Button>}
            {file && !moves && !isRejected && (
              <Button
                tone={problems ? "plain" : "solid"}
                disabled={!name.trim() || state.phase === "looking"}
                onClick={() => void send(file, name.trim())}
              >
                {problems ? "Send it all the same" : state.phase === "failed" ? "Try again" : "Upload"}
              </Button>
            )}
          </>
        )
      }
    >
      <div className="flex flex-col gap-3">
        {!file && <DropZone accept={ACCEPTED} hint={HINT} onFile={pick} />}
        {file && (
          <>
            <p className="flex flex-wrap items-baseline gap-x-2 text-sm">
              <span className="min-w-0 break-all font-medium">{file.name}</span>
              <span className="text-ink-3 tabular-nums">{bytes(file.size)}</span>
            </p>
            <Field label="Name" hint="How it will be listed.">
              {(ids) => (
                <Input {...ids} value={name} maxLength={128} disabled={moves} onChange={(event) => setName(event.target.value)} />
              )}
            </Field>
          </>
        )}
        <Stage state={state} />
      </div>
    </Dialog>
  );
}

/** What is known, or going on. */
function Stage({ state }: { state: UploadState }) {
  switch (state.phase) {
    case "empty":
      return null;
    case "looking":
      return <p className="text-ink-3 text-sm">Looking at the first rows…</p>;
    case "ready":
      if (!state.look) return <Note>It is unpacked and checked once it has arrived.</Note>;
      if (state.look.issues.length > 0) {
        return (
          <div className="flex flex-col gap-2">
            <ErrorNote>
              The first rows have problems. A dataset with one bad row is none: correct them, then choose the file again.
            </ErrorNote>
            <Issues issues={state.look.issues} />
          </div>
        );
      }
      return (
        <Note mood="good">
          {state.look.isWhole ? `All ${count(state.look.rows)} rows` : `The first ${count(state.look.rows)} rows`} are well
          formed. Columns: {state.look.columns.join(", ")}.
        </Note>
      );
    case "sending": {
      const { bytes: gone, total, bytesPerSecond } = state.sent;
      return (
        <div className="flex flex-col gap-1.5">
          <Progress label="Uploading" fraction={total ? gone / total : 0} />
          <p className="flex justify-between text-ink-2 text-xs tabular-nums">
            <span>
              {bytes(gone)} of {bytes(total)}
            </span>
            <span>{bytesPerSecond === null ? "" : `${bytes(bytesPerSecond)}/s`}</span>
          </p>
        </div>
      );
    }
    case "checking":
      return (
        <div className="flex flex-col gap-1.5" aria-live="polite">
          <Progress label="Checking every row" fraction={undefined} />
          <p className="text-ink-2 text-xs">It has arrived; every row is being checked.</p>
        </div>
      );
    case "rejected":
      return (
        <div className="flex flex-col gap-2">
          <ErrorNote hint="Nothing of it was kept. Correct it and choose the file again.">
            {state.issues.length
              ? `${state.issues.length === 1 ? "A line is no row" : `${state.issues.length} lines are no rows`} of a dataset.`
              : state.message}
          </ErrorNote>
          <Issues issues={state.issues} />
        </div>
      );
    case "failed":
      return <ErrorNote hint={state.hint}>{state.message}</ErrorNote>;
  }
}
