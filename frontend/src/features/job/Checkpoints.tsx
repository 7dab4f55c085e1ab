import { Link } from "@tanstack/react-router";
import { Archive, Download, FolderOpen, Rocket, RotateCcw } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { bytes } from "@/lib/format";
import { buttonClass, IconButton } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Badge } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import { type Checkpoint, CheckpointFilesQuery, hasEnded, type Job } from "./queries";
import { listCheckpoints } from "./snippets";

const CreateDialog = lazy(() => import("@/features/deployments").then((it) => ({ default: it.CreateDialog })));
const ICON = "size-3.5";

/** What a job has saved: to download, to serve, or to go on from. */
export default function Checkpoints({ job }: { job: Job }) {
  const [files, setFiles] = useState<Checkpoint | null>(null);
  const [deploying, setDeploying] = useState(false);
  const can = (action: string) => job.viewerCan.includes(action);
  const columns: Column<Checkpoint>[] = [
    {
      id: "step",
      header: "Step",
      cell: (row) => (
        <span className="inline-flex items-center gap-2 tabular-nums">
          {row.step.toLocaleString("en-US")}
          {row.final && <Badge mood="good">Trained model</Badge>}
          {job.attempt > 1 && <span className="text-2xs text-ink-3">attempt {row.attempt}</span>}
        </span>
      ),
    },
    { id: "size", header: "Size", numeric: true, cell: (row) => bytes(row.sizeBytes) },
    { id: "files", header: "Files", numeric: true, from: "sm", cell: (row) => row.fileCount },
    { id: "saved", header: "Saved", numeric: true, from: "md", cell: (row) => <Ago at={row.createdAt} /> },
    {
      id: "actions",
      header: <span className="sr-only">Actions</span>,
      numeric: true,
      cell: (row) => (
        <span className="inline-flex items-center gap-1">
          {row.final && can("deploy") && (
            <IconButton label={`Deploy the model of step ${row.step}`} onClick={() => setDeploying(true)}>
              <Rocket aria-hidden className={ICON} />
            </IconButton>
          )}
          {!row.final && (
            <Link
              to="/jobs/new"
              search={{ from: job.id, resume: row.id }}
              aria-label={`Go on from step ${row.step}`}
              title={`Go on from step ${row.step} in a new job`}
              className={buttonClass("ghost", "sm", true)}
            >
              <RotateCcw aria-hidden className={ICON} />
            </Link>
          )}
          <IconButton label={`Files of step ${row.step}`} onClick={() => setFiles(row)}>
            <FolderOpen aria-hidden className={ICON} />
          </IconButton>
          <a
            href={row.downloadUrl}
            download
            aria-label={`Download step ${row.step}`}
            title="Download all of it as .tar.gz"
            className={buttonClass("ghost", "sm", true)}
          >
            <Download aria-hidden className={ICON} />
          </a>
        </span>
      ),
    },
  ];
  return (
    <Panel flush title="Checkpoints" actions={<CopyAs title="List its checkpoints" snippets={() => listCheckpoints(job.id)} />}>
      <Table
        label="Checkpoints"
        columns={columns}
        rows={job.checkpoints.toReversed()}
        rowKey={(row) => row.id}
        onOpen={setFiles}
        empty={
          <Empty icon={<Archive aria-hidden />} title="Nothing is saved yet">
            {hasEnded(job.status)
              ? "It ended before it saved anything."
              : "The trained model is saved at the end; checkpoint_every saves on the way, and makes the job resumable."}
          </Empty>
        }
      />
      {files && <Files checkpoint={files} onClose={() => setFiles(null)} />}
      <Suspense>{deploying && <CreateDialog model={job.id} onClose={() => setDeploying(false)} />}</Suspense>
    </Panel>
  );
}

function Files({ checkpoint, onClose }: { checkpoint: Checkpoint; onClose: () => void }) {
  const [{ data, error, fetching }] = useQuery({ query: CheckpointFilesQuery, variables: { id: checkpoint.id } });
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={checkpoint.final ? "The trained model" : `Checkpoint of step ${checkpoint.step}`}
      description={`${checkpoint.fileCount} files, ${bytes(checkpoint.sizeBytes)}. The links need no key, and work for a limited time.`}
    >
      {error && <ErrorNote>{sentence(error)}</ErrorNote>}
      {fetching && !data && <Skeleton className="h-48" />}
      {data && !data.checkpoint && <ErrorNote>It was deleted.</ErrorNote>}
      <ul className="flex flex-col">
        {data?.checkpoint?.files.map((file) => (
          <li key={file.path}>
            <a
              href={file.downloadUrl}
              download
              className="flex h-8 items-center justify-between gap-3 rounded-md px-2 font-mono text-xs hover:bg-hover"
            >
              <span className="truncate">{file.path}</span>
              <Download aria-hidden className="size-3.5 shrink-0 text-ink-3" />
            </a>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
