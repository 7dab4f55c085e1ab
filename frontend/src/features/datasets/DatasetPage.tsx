import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Play, Trash2 } from "lucide-react";
import { useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useTyped } from "@/lib/typed";
import { choice, integer, text, useUrlState } from "@/lib/url";
import { Button, buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote, Note, Skeleton } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import { Page, Panel } from "@/ui/Panel";
import { Badge } from "@/ui/Status";
import { Tabs } from "@/ui/Tabs";
import { Trail } from "@/ui/Trail";
import { BaseModelInput, useBaseModels } from "./BaseModelInput";
import { Contents } from "./Contents";
import { DatasetFacts } from "./DatasetFacts";
import { DeleteDialog } from "./DeleteDialog";
import { DatasetContentsQuery, DatasetQuery, type OneDataset } from "./documents";
import { JobsOfDataset } from "./JobsOfDataset";
import { RowsPanel } from "./rows/RowsPanel";
import { datasetSnippets } from "./snippets";
import { sourceName } from "./source";
import { TokenLengths } from "./TokenLengths";

const TABS = ["rows", "columns", "jobs"] as const;
const URL_STATE = { tab: choice(TABS, "rows"), model: text(""), limit: integer(1024) };
const LABELS = { rows: "Rows", columns: "Columns", jobs: "Jobs" };

export default function DatasetPage() {
  const { id } = useParams({ strict: false });
  const [{ data, error }, retry] = useQuery({ query: DatasetQuery, variables: { id: id ?? "" } });
  const dataset = data?.dataset;
  useTitle(dataset?.name ?? "Dataset");
  const above = (
    <Trail id={id}>
      <Link to="/datasets">Datasets</Link>
    </Trail>
  );
  if (dataset) return <Shown dataset={dataset} above={above} />;
  return (
    <Page title={dataset === null ? "No such dataset" : "Dataset"} above={above}>
      {error ? (
        <ErrorNote onRetry={() => retry({ requestPolicy: "network-only" })}>{sentence(error)}</ErrorNote>
      ) : dataset === null ? (
        <Empty
          title="There is no dataset with this id"
          action={
            <Link to="/datasets" className={buttonClass()}>
              All datasets
            </Link>
          }
        >
          It was deleted, or belongs to another account.
        </Empty>
      ) : (
        <>
          <Skeleton className="h-32" />
          <Skeleton className="h-96" />
        </>
      )}
    </Page>
  );
}

function Shown({ dataset, above }: { dataset: OneDataset; above: React.ReactNode }) {
  const navigate = useNavigate();
  const [{ tab, model: chosenModel, limit }, setUrl] = useUrlState(URL_STATE);
  const models = useBaseModels();
  const model = chosenModel || models?.[0] || "";
  const typed = useTyped(model, (to) => setUrl({ model: to }));
  const [deleting, setDeleting] = useState(false);
  const isRead = dataset.rowCount !== null;
  const [{ data }] = useQuery({ query: DatasetContentsQuery, variables: { id: dataset.id }, pause: !isRead });
  const statistics = data?.dataset?.statistics;
  const size = dataset.rowCount === null ? 0 : Number(dataset.rowCount);

  return (
    <Page
      title={dataset.name}
      above={above}
      beside={<Badge>{sourceName(dataset.sourceType)}</Badge>}
      actions={
        <>
          <CopyAs title="This dataset" snippets={() => datasetSnippets(dataset.id, model, limit)} />
          <Button tone="danger" icon={<Trash2 aria-hidden className="size-3.5" />} onClick={() => setDeleting(true)}>
            Delete
          </Button>
          <Link to="/jobs/new" search={{ dataset: dataset.id }} className={buttonClass("solid")}>
            <Play aria-hidden className="size-3.5" />
            Train on it
          </Link>
        </>
      }
    >
      <div className="grid gap-4 lg:grid-cols-2">
        <DatasetFacts dataset={dataset} statistics={statistics} />
        <Panel title="Row lengths">
          <div className="flex flex-col gap-3">
            <div className="grid grid-cols-[minmax(0,1fr)_7rem] gap-2">
              <Field label="Base model">{(ids) => <BaseModelInput {...ids} value={typed.text} onChange={typed.type} />}</Field>
              <Field label="Limit in tokens">
                {(ids) => (
                  <Input
                    {...ids}
                    type="number"
                    min={1}
                    value={limit ?? ""}
                    onChange={(event) =>
                      setUrl({ limit: event.target.value ? Math.max(1, Math.round(Number(event.target.value))) : null })
                    }
                  />
                )}
              </Field>
            </div>
            {isRead ? (
              <TokenLengths datasetId={dataset.id} baseModel={model} limit={limit} rowCount={size} />
            ) : (
              <p className="text-ink-3 text-sm">They are counted once its rows have been read.</p>
            )}
          </div>
        </Panel>
      </div>
      <Tabs
        label="Parts of the dataset"
        tabs={TABS.map((name) => ({ id: name, label: LABELS[name] }))}
        value={tab}
        onChange={(to) => setUrl({ tab: to }, { push: true })}
      >
        {tab === "jobs" ? (
          <JobsOfDataset datasetId={dataset.id} />
        ) : !isRead ? (
          <Note>It is read by the first job that learns on it. Until then there are no rows to show.</Note>
        ) : tab === "columns" ? (
          <Panel flush>
            <Contents columns={statistics?.columns ?? undefined} />
          </Panel>
        ) : (
          <RowsPanel datasetId={dataset.id} size={size} columns={dataset.columns} baseModel={model} />
        )}
      </Tabs>
      {deleting && (
        <DeleteDialog dataset={dataset} onClose={() => setDeleting(false)} onDeleted={() => void navigate({ to: "/datasets" })} />
      )}
    </Page>
  );
}
