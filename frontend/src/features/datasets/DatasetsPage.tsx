import { useNavigate } from "@tanstack/react-router";
import { Cable, Database, Upload } from "lucide-react";
import { useRef, useState } from "react";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { text, useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { DropAnywhere } from "@/ui/DropAnywhere";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Page, Panel } from "@/ui/Panel";
import { SearchInput } from "@/ui/SearchInput";
import { toast } from "@/ui/Toast";
import { ConnectDialog } from "./connect/ConnectDialog";
import { DatasetTable } from "./DatasetTable";
import { DeleteDialog } from "./DeleteDialog";
import type { DatasetRow } from "./documents";
import { sampleFile } from "./sample";
import { uploadSnippets } from "./snippets";
import { UploadDialog } from "./upload/UploadDialog";
import type { MadeDataset } from "./upload/useUpload";
import { useDatasets } from "./useDatasets";

const URL_STATE = { q: text("") };
type Open = { kind: "upload"; file?: File | undefined } | { kind: "connect" } | { kind: "delete"; row: DatasetRow };

export default function DatasetsPage() {
  useTitle("Datasets");
  const navigate = useNavigate();
  const [{ q }, setUrl] = useUrlState(URL_STATE);
  const search = q.trim();
  const datasets = useDatasets(search);
  const [open, setOpen] = useState<Open | null>(null);
  const box = useRef<HTMLInputElement>(null);
  const upload = (file?: File) => setOpen({ kind: "upload", file });
  const trySample = async () => upload(await sampleFile());
  const done = (made: MadeDataset) => {
    setOpen(null);
    toast(`${made.name} is ready.`, { mood: "good" });
    void navigate({ to: "/datasets/$id", params: { id: made.id } });
  };
  useShortcuts([
    { keys: "u", label: "Upload a dataset", run: () => upload() },
    { keys: "o", label: "Connect a dataset", run: () => setOpen({ kind: "connect" }) },
    { keys: "/", label: "Search the datasets", run: () => box.current?.focus() },
  ]);

  const uploadButton = (
    <Button tone="solid" icon={<Upload aria-hidden className="size-3.5" />} onClick={() => upload()}>
      Upload
    </Button>
  );
  return (
    <Page
      title="Datasets"
      actions={
        <>
          <CopyAs title="Upload a dataset" snippets={uploadSnippets} />
          <Button icon={<Cable aria-hidden className="size-3.5" />} onClick={() => setOpen({ kind: "connect" })}>
            Connect
          </Button>
          {uploadButton}
        </>
      }
    >
      <SearchInput
        label="Search by name or id"
        className="max-w-xs"
        keys="/"
        value={q}
        onChange={(text) => setUrl({ q: text })}
        ref={box}
      />
      {datasets.error && <ErrorNote onRetry={datasets.retry}>{sentence(datasets.error)}</ErrorNote>}
      <Panel flush>
        <DatasetTable
          rows={datasets.rows}
          onDelete={(row) => setOpen({ kind: "delete", row })}
          empty={
            search ? (
              <Empty title="No dataset is called that" action={<Button onClick={() => setUrl({ q: "" })}>Show all</Button>} />
            ) : (
              <Empty
                icon={<Database aria-hidden />}
                title="No datasets yet"
                action={
                  <>
                    {uploadButton}
                    <Button onClick={() => void trySample()}>Try with a sample</Button>
                  </>
                }
              >
                A dataset is rows of prompts as JSONL. Drop a file anywhere on this page, connect a source, or start with 25 small
                sums.
              </Empty>
            )
          }
        />
        {datasets.hasMore && (
          <div className="border-line border-t p-2 text-center">
            <Button size="sm" tone="ghost" busy={datasets.isLoadingMore} onClick={() => void datasets.loadMore()}>
              Show more
            </Button>
          </div>
        )}
      </Panel>
      {!open && <DropAnywhere says="Drop it to make a dataset of it" onFile={upload} />}
      {open?.kind === "upload" && <UploadDialog file={open.file} onClose={() => setOpen(null)} onDone={done} />}
      {open?.kind === "connect" && <ConnectDialog onClose={() => setOpen(null)} onDone={done} />}
      {open?.kind === "delete" && <DeleteDialog dataset={open.row} onClose={() => setOpen(null)} />}
    </Page>
  );
}
