import { useNavigate } from "@tanstack/react-router";
import { Layers, Plus } from "lucide-react";
import { lazy, Suspense, useRef, useState } from "react";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { choice, flag, text, useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { DropAnywhere } from "@/ui/DropAnywhere";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Select } from "@/ui/Field";
import { Page, Panel } from "@/ui/Panel";
import { SearchInput } from "@/ui/SearchInput";
import { Table } from "@/ui/Table";
import { Tabs } from "@/ui/Tabs";
import { COLUMNS } from "./columns";
import { NewBatch } from "./create/NewBatch";
import { STATUSES, UNDER_WAY } from "./figures";
import { LIST } from "./snippets";
import { useBatches } from "./useBatches";

const FilesPanel = lazy(() => import("./files/FilesPanel"));

const CHOICES = ["all", "active", ...STATUSES] as const;
const TABS = ["batches", "files"] as const;
const VIEW = { tab: choice(TABS, "batches"), q: text(), status: choice(CHOICES, "all"), new: flag(), file: text() };
const LABELS: Record<(typeof CHOICES)[number], string> = {
  all: "Every status",
  active: "Under way",
  VALIDATING: "Validating",
  IN_PROGRESS: "In progress",
  FINALIZING: "Finalizing",
  CANCELLING: "Cancelling",
  COMPLETED: "Completed",
  FAILED: "Failed",
  EXPIRED: "Expired",
  CANCELLED: "Cancelled",
};

export default function BatchesPage() {
  useTitle("Batches");
  const navigate = useNavigate();
  const [view, setView] = useUrlState(VIEW);
  const [dropped, setDropped] = useState<File>();
  const find = useRef<HTMLInputElement>(null);
  const begin = (file?: File) => {
    setDropped(file);
    setView({ new: true }, { push: true });
  };
  useShortcuts([
    { keys: "/", label: view.tab === "files" ? "Search files" : "Search batches", run: () => find.current?.focus() },
    { keys: "c", label: "New batch", run: () => begin() },
    { keys: "f", label: view.tab === "files" ? "Batches" : "Files of batches", run: () => flip() },
  ]);
  const flip = () => setView({ tab: view.tab === "files" ? "batches" : "files" });
  const search = (
    <SearchInput
      label={view.tab === "files" ? "Search files" : "Search batches"}
      placeholder={view.tab === "files" ? "Name or id" : "File, label, model or id"}
      className="w-full sm:w-64"
      keys="/"
      value={view.q}
      onChange={(q) => setView({ q })}
      ref={find}
    />
  );
  const isNew = view.new || view.file !== "";
  return (
    <Page
      title="Batches"
      actions={
        <>
          <CopyAs title="List batches" snippets={LIST} />
          <Button tone="solid" icon={<Plus aria-hidden className="size-3.5" />} onClick={() => begin()}>
            New batch
          </Button>
        </>
      }
    >
      <Tabs
        label="Batches and their files"
        tabs={[
          { id: "batches", label: "Batches" },
          { id: "files", label: "Files" },
        ]}
        value={view.tab}
        onChange={(tab) => setView({ tab, q: "" })}
        panelClassName="flex flex-col gap-3"
      >
        {view.tab === "files" ? (
          <Suspense fallback={<Skeleton className="h-96" />}>
            <FilesPanel search={search} q={view.q} onNew={begin} onUse={(file) => setView({ file }, { push: true })} />
          </Suspense>
        ) : (
          <>
            <div className="flex flex-wrap items-center gap-2">
              {search}
              <Select
                aria-label="Status"
                value={view.status}
                onChange={(event) => setView({ status: CHOICES.find((one) => one === event.target.value) ?? "all" })}
                className="!w-auto"
              >
                {CHOICES.map((one) => (
                  <option key={one} value={one}>
                    {LABELS[one]}
                  </option>
                ))}
              </Select>
            </div>
            <Rows q={view.q} status={view.status} onNew={() => begin()} onClear={() => setView({ q: "", status: "all" })} />
          </>
        )}
      </Tabs>
      {!isNew && <DropAnywhere says="Drop it to make a batch of it" onFile={begin} />}
      {isNew && (
        <NewBatch
          file={dropped}
          stored={view.file || null}
          onClose={() => {
            setDropped(undefined);
            setView({ new: false, file: "" });
          }}
          onDone={(id) => void navigate({ to: "/batches/$id", params: { id } })}
        />
      )}
    </Page>
  );
}

interface RowsProps {
  q: string;
  status: (typeof CHOICES)[number];
  onNew: () => void;
  onClear: () => void;
}

function Rows({ q, status, onNew, onClear }: RowsProps) {
  const navigate = useNavigate();
  const statuses = status === "all" ? null : status === "active" ? [...UNDER_WAY] : [status];
  const batches = useBatches(q || statuses ? { ...(q ? { search: q } : {}), ...(statuses ? { status: statuses } : {}) } : null);
  const filtered = q !== "" || status !== "all";
  return (
    <>
      {batches.error && <ErrorNote onRetry={batches.again}>{sentence(batches.error)}</ErrorNote>}
      <Panel flush>
        <Table
          label="Batches"
          columns={COLUMNS}
          rows={batches.error ? [] : batches.rows}
          rowKey={(one) => one.id}
          onOpen={(one) => void navigate({ to: "/batches/$id", params: { id: one.id } })}
          empty={
            filtered ? (
              <Empty title="No batch is like that" action={<Button onClick={onClear}>Show all</Button>} />
            ) : (
              <Empty
                icon={<Layers aria-hidden />}
                title="No batches yet"
                action={
                  <Button tone="solid" onClick={onNew}>
                    New batch
                  </Button>
                }
              >
                A batch works through a file of up to 50,000 requests, below the interactive traffic of your deployments. Drop a
                JSONL file anywhere on this page, or begin with a sample.
              </Empty>
            )
          }
        />
      </Panel>
      {batches.hasMore && (
        <Button className="self-center" onClick={() => void batches.next()}>
          Show more
        </Button>
      )}
    </>
  );
}
