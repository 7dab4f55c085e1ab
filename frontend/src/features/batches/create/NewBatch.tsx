import { useEffect, useRef, useState } from "react";
import { useQuery } from "urql";
import { bytes } from "@/lib/format";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { DropZone } from "@/ui/DropZone";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input, Select } from "@/ui/Field";
import { Progress } from "@/ui/Progress";
import { type Batch, FileQuery } from "../documents";
import { creating } from "../snippets";
import { ENDPOINTS, type Endpoint } from "./check";
import { Findings } from "./Findings";
import { SampleChoice } from "./SampleChoice";
import { metadataOf, type Phase, useNewBatch } from "./useNewBatch";

const WINDOWS: readonly [string, string][] = [
  ["1h", "1 hour"],
  ["6h", "6 hours"],
  ["24h", "24 hours"],
  ["72h", "3 days"],
  ["168h", "7 days"],
];
const KINDS: Record<Endpoint, Batch["endpoint"]> = {
  "/v1/chat/completions": "CHAT_COMPLETIONS",
  "/v1/completions": "COMPLETIONS",
};

interface Props {
  /** A file that was chosen already, by dropping it on the page. */
  file?: File | undefined;
  /** The id of one that is stored. */
  stored: string | null;
  onClose: () => void;
  onDone: (id: string) => void;
}

const fileOf = (phase: Phase): File | null => ("file" in phase ? phase.file : null);
const nameFrom = (file: File): string => file.name.replace(/\.(jsonl|ndjson|json)$/i, "").slice(0, 64);

/** From a file to a batch. */
export function NewBatch({ file: given, stored, onClose, onDone }: Props) {
  const { phase, failure, choose, use, start, cancel, reset } = useNewBatch(onDone);
  const [name, setName] = useState("");
  const [window, setWindow] = useState("24h");
  const [chosen, setChosen] = useState<Endpoint | null>(null);
  const pick = (file: File) => {
    setName(nameFrom(file));
    setChosen(null);
    void choose(file);
  };
  const first = useRef(pick);
  useEffect(() => {
    if (given) first.current(given);
    else if (stored !== null) use(stored);
  }, [given, stored, use]);

  const file = fileOf(phase);
  const look = "look" in phase ? phase.look : null;
  const moves = phase.is === "sending" || phase.is === "creating";
  const mayStart = phase.is === "ready" || phase.is === "stored";
  const problems = phase.is === "ready" && phase.look.issueCount > 0;
  const endpoint = chosen ?? look?.endpoint ?? ENDPOINTS[0];
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => {
        if (!open && !moves) onClose();
      }}
      title="New batch"
      description="A file of requests, one a line, that is worked through below the interactive traffic."
      footer={
        phase.is !== "empty" && (
          <>
            {(file || phase.is === "stored") && (
              <CopyAs
                title="Create this batch"
                snippets={() =>
                  creating({
                    fileName: file?.name ?? "requests.jsonl",
                    fileId: phase.is === "stored" ? phase.id : null,
                    endpoint: KINDS[endpoint],
                    url: endpoint,
                    window,
                    metadata: metadataOf(name),
                  })
                }
              />
            )}
            <span className="flex-1" />
            {phase.is === "sending" && <Button onClick={cancel}>Cancel the upload</Button>}
            {!moves && <Button onClick={reset}>Choose another file</Button>}
            <Button
              tone={problems ? "plain" : "solid"}
              disabled={!mayStart}
              busy={moves}
              onClick={() => void start({ endpoint: KINDS[endpoint], window, name })}
            >
              {problems ? "Send it all the same" : "Start the batch"}
            </Button>
          </>
        )
      }
    >
      <div className="flex flex-col gap-3">
        {phase.is === "empty" && (
          <>
            <DropZone
              accept=".jsonl,.ndjson,.json"
              hint="JSONL: custom_id, method, url and body on each line; up to 50,000 lines"
              onFile={pick}
            />
            <SampleChoice onFile={pick} />
          </>
        )}
        {file && (
          <p className="flex flex-wrap items-baseline gap-x-2 text-sm">
            <span className="min-w-0 break-all font-medium">{file.name}</span>
            <span className="text-ink-3 tabular-nums">{bytes(file.size)}</span>
          </p>
        )}
        {phase.is === "stored" && <Stored id={phase.id} />}
        {phase.is === "unreadable" && <ErrorNote>{phase.message}</ErrorNote>}
        {phase.is !== "empty" && phase.is !== "unreadable" && (
          <div className="grid gap-3 sm:grid-cols-3">
            <Field label="Name" optional error={failure?.fields.metadata}>
              {(ids) => (
                <Input {...ids} value={name} maxLength={128} disabled={moves} onChange={(event) => setName(event.target.value)} />
              )}
            </Field>
            <Field label="Endpoint" error={failure?.fields.endpoint}>
              {(ids) => (
                <Select
                  {...ids}
                  value={endpoint}
                  disabled={moves}
                  onChange={(event) => setChosen(ENDPOINTS.find((one) => one === event.target.value) ?? null)}
                >
                  {ENDPOINTS.map((one) => (
                    <option key={one}>{one}</option>
                  ))}
                </Select>
              )}
            </Field>
            <Field label="Time it may take" error={failure?.fields.completionWindow}>
              {(ids) => (
                <Select {...ids} value={window} disabled={moves} onChange={(event) => setWindow(event.target.value)}>
                  {WINDOWS.map(([value, label]) => (
                    <option key={value} value={value}>
                      {label}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
          </div>
        )}
        {phase.is === "reading" && <Progress label="Checking every line" fraction={phase.fraction} />}
        {look && <Findings look={look} isWhole={phase.is !== "reading"} endpoint={endpoint} />}
        {phase.is === "sending" && <Sending phase={phase} />}
        {phase.is === "creating" && <p className="text-ink-2 text-sm">It has arrived; the batch is being made…</p>}
        {failure && failure.message !== "" && <ErrorNote hint={failure.hint}>{failure.message}</ErrorNote>}
      </div>
    </Dialog>
  );
}

/** A file that is there already: its name is what says which. */
function Stored({ id }: { id: string }) {
  const [{ data }] = useQuery({ query: FileQuery, variables: { id } });
  if (data && !data.file) return <ErrorNote>There is no stored file with this id any more.</ErrorNote>;
  return (
    <p className="flex flex-wrap items-baseline gap-x-2 text-sm">
      <span className="min-w-0 break-all font-medium">{data?.file?.filename ?? "…"}</span>
      <span className="text-ink-3 tabular-nums">{data?.file ? bytes(data.file.sizeBytes) : ""}</span>
      <span className="break-all font-mono text-2xs text-ink-3">{id}</span>
    </p>
  );
}

function Sending({ phase: { sent } }: { phase: Extract<Phase, { is: "sending" }> }) {
  return (
    <div className="flex flex-col gap-1.5">
      <Progress label="Uploading" fraction={sent.total ? sent.bytes / sent.total : 0} />
      <p className="flex justify-between text-ink-2 text-xs tabular-nums">
        <span>
          {bytes(sent.bytes)} of {bytes(sent.total)}
        </span>
        <span>{sent.bytesPerSecond === null ? "" : `${bytes(sent.bytesPerSecond)}/s`}</span>
      </p>
    </div>
  );
}
