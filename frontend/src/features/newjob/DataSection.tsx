import { Link } from "@tanstack/react-router";
import { Cable, Upload } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { useQuery } from "urql";
import {
  ConnectDialog,
  clipsText,
  DatasetContentsQuery,
  type MadeDataset,
  sampleFile,
  TokenLengths,
  UploadDialog,
} from "@/features/datasets";
import { count } from "@/lib/format";
import { isMethod } from "@/lib/methods";
import { Button } from "@/ui/Button";
import { ErrorNote, Note } from "@/ui/Empty";
import { Ago } from "@/ui/Time";
import { type ChosenDataset, PickDatasetsQuery } from "./documents";
import { formsOf } from "./forms";
import { Chosen, Picker } from "./Picker";
import { RowForms } from "./RowForms";
import { Section } from "./Section";

interface DataSectionProps {
  number: number;
  method: string;
  takesReward: boolean;
  datasetId: string;
  dataset: ChosenDataset | null | undefined;
  error: string | undefined;
  baseModel: string;
  /** Longer ones are left out, in tokens; null where the method has no such limit. */
  maxLength: number | null;
  onChange: (datasetId: string) => void;
}

/** What the model learns on. */
export function DataSection(props: DataSectionProps) {
  const { number, method, takesReward, datasetId, dataset, error, baseModel, maxLength, onChange } = props;
  const forms = formsOf(method);
  const [dialog, setDialog] = useState<{ kind: "upload"; file?: File } | { kind: "connect" } | null>(null);
  const done = (made: MadeDataset) => {
    setDialog(null);
    onChange(made.id);
  };
  return (
    <Section
      id="data"
      number={number}
      title="Data"
      hint={forms?.hint ?? "What the model learns on."}
      state={error ? "wrong" : datasetId ? "done" : "open"}
      actions={
        <>
          <Button size="sm" icon={<Cable aria-hidden className="size-3.5" />} onClick={() => setDialog({ kind: "connect" })}>
            Connect
          </Button>
          <Button size="sm" icon={<Upload aria-hidden className="size-3.5" />} onClick={() => setDialog({ kind: "upload" })}>
            Upload
          </Button>
        </>
      }
    >
      {datasetId ? (
        <>
          <Chosen
            actions={
              <Button size="sm" onClick={() => onChange("")}>
                Change
              </Button>
            }
          >
            <Link to="/datasets/$id" params={{ id: datasetId }} className="font-medium hover:underline">
              {dataset?.name ?? datasetId}
            </Link>
            {dataset && (
              <span className="ml-2 text-ink-3 text-xs tabular-nums">
                {dataset.rowCount === null ? "read by its first job" : `${count(dataset.rowCount)} rows`}
                {dataset.columns.length > 0 && ` · ${dataset.columns.join(", ")}`}
              </span>
            )}
          </Chosen>
          {error && <ErrorNote>{error}</ErrorNote>}
          {dataset && dataset.rowCount !== null && (
            <Checks dataset={dataset} takesReward={takesReward} method={method} baseModel={baseModel} maxLength={maxLength} />
          )}
        </>
      ) : (
        <DatasetPicker onPick={onChange} onSample={async () => setDialog({ kind: "upload", file: await sampleFile() })} />
      )}
      {forms && <RowForms key={method} forms={forms} open={!datasetId || error !== undefined} />}
      {dialog?.kind === "upload" && <UploadDialog file={dialog.file} onClose={() => setDialog(null)} onDone={done} />}
      {dialog?.kind === "connect" && <ConnectDialog onClose={() => setDialog(null)} onDone={done} />}
    </Section>
  );
}

function DatasetPicker({ onPick, onSample }: { onPick: (id: string) => void; onSample: () => Promise<void> }) {
  const [search, setSearch] = useState("");
  const [{ data }] = useQuery({ query: PickDatasetsQuery, variables: { search: useDeferredValue(search.trim()) || null } });
  return (
    <Picker
      label="Datasets"
      search={search}
      onSearch={setSearch}
      onPick={onPick}
      options={data?.datasets.nodes.map((one) => ({
        id: one.id,
        name: one.name,
        facts: (
          <>
            {one.rowCount === null ? one.sourceType : `${count(one.rowCount)} rows`} · <Ago at={one.createdAt} />
          </>
        ),
      }))}
      empty={
        search ? (
          "No dataset is called that."
        ) : (
          <span className="flex flex-wrap items-center justify-center gap-2">
            No datasets yet: upload one, or
            <Button size="sm" onClick={() => void onSample()}>
              Try with a sample
            </Button>
          </span>
        )
      }
    />
  );
}

interface ChecksProps {
  dataset: ChosenDataset;
  method: string;
  takesReward: boolean;
  baseModel: string;
  maxLength: number | null;
}

/** What is worth knowing of the data before anything is paid. */
function Checks({ dataset, method: named, takesReward, baseModel, maxLength }: ChecksProps) {
  const [{ data }] = useQuery({ query: DatasetContentsQuery, variables: { id: dataset.id }, requestPolicy: "cache-first" });
  const statistics = data?.dataset?.statistics;
  const upper = named.toUpperCase();
  const method = isMethod(upper) ? upper : undefined;
  const rows = Number(dataset.rowCount ?? 0);
  const repeated = Number(statistics?.duplicatePrompts ?? 0);
  const gaps = statistics?.columns?.filter((column) => Number(column.missing) > 0) ?? [];
  return (
    <div className="flex flex-col gap-3">
      {statistics?.clips && <p className="text-ink-2 text-sm">{clipsText(statistics.clips)}</p>}
      {repeated > 0 && (
        <Note mood="warn">
          {count(repeated)} of {count(rows)} prompts occurred before: they weigh more than the others.
        </Note>
      )}
      {takesReward && gaps.length > 0 && (
        <Note mood="warn">
          Not every row has {gaps.map(({ name, missing }) => `${name} (${count(missing)} without)`).join(", ")}: the reward
          function gets None there.
        </Note>
      )}
      {method && method !== "SFT_VIDEO_GEN" && (
        <div className="flex flex-col gap-1.5">
          <h3 className="font-medium text-xs">
            {takesReward ? "Prompt" : "Row"} lengths in tokens{baseModel && ` of ${baseModel}`}
          </h3>
          <TokenLengths datasetId={dataset.id} baseModel={baseModel} method={method} limit={maxLength} rowCount={rows} />
        </div>
      )}
    </div>
  );
}
