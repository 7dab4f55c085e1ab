import { Link } from "@tanstack/react-router";
import { Archive, Download, FolderOpen, Rocket, RotateCcw, Star } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { bytes, measure } from "@/lib/format";
import { traitsOf } from "@/lib/methods";
import { buttonClass, IconButton } from "@/ui/Button";
import { Copyable } from "@/ui/Copy";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Select } from "@/ui/Field";
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
  const { heldOut } = traitsOf(job.method);
  const isScored = job.checkpoints.some((row) => row.score !== null);
  const columns: Column<Checkpoint>[] = [
    {
      id: "step",
      header: "Step",
      cell: (row) => (
        <span className="inline-flex items-center gap-2 tabular-nums">
          {row.step.toLocaleString("en-US")}
          {row.final && <Badge mood="good">Trained model</Badge>}
          {row.best && (
            <Badge mood="live" title="The best score on the rows that were held out">
              <Star aria-hidden className="size-2.5" />
              Best
            </Badge>
          )}
          {job.attempt > 1 && <span className="text-2xs text-ink-3">attempt {row.attempt}</span>}
        </span>
      ),
    },
    ...(isScored
      ? [
          {
            id: "score",
            header: heldOut === "eval_loss" ? "Held-out loss" : "Held-out reward",
            numeric: true,
            cell: (row: Checkpoint) => <span className={row.best ? "font-medium" : ""}>{measure(row.score)}</span>,
          },
        ]
      : []),
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
      {files && <Files checkpoint={files} choices={files.final ? weightsOf(job) : []} onClose={() => setFiles(null)} />}
      <Suspense>{deploying && <CreateDialog model={job.id} onClose={() => setDeploying(false)} />}</Suspense>
    </Panel>
  );
}

const WEIGHTS = { MERGED: "The whole model", ADAPTER: "The adapter alone", BOTH: "Both" } as const;
type Weights = keyof typeof WEIGHTS;

/** Of a model that was trained as an adapter its whole weights can be had too; of a video model only the adapter. */
function weightsOf({ method, hyperparameters: given }: Job): readonly Weights[] {
  const rank = typeof given === "object" && given !== null && !Array.isArray(given) ? given.lora_rank : null;
  return rank === null || rank === undefined || method === "SFT_VIDEO_GEN" ? [] : ["MERGED", "ADAPTER", "BOTH"];
}

interface FilesProps {
  checkpoint: Checkpoint;
  choices: readonly Weights[];
  onClose: () => void;
}

function Files({ checkpoint, choices, onClose }: FilesProps) {
  const [weights, setWeights] = useState<Weights | null>(null);
  const [{ data, error, fetching }] = useQuery({ query: CheckpointFilesQuery, variables: { id: checkpoint.id, weights } });
  const found = data?.checkpoint;
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={checkpoint.final ? "The trained model" : `Checkpoint of step ${checkpoint.step}`}
      description={`${checkpoint.fileCount} files, ${bytes(checkpoint.sizeBytes)}. The links need no key, and work for a limited time.`}
    >
      <div className="mb-2 flex flex-wrap items-center gap-2">
        {choices.length > 0 && (
          <Select
            aria-label="Which weights"
            className="h-7! w-auto! text-xs"
            value={weights ?? ""}
            onChange={(event) => setWeights(choices.find((one) => one === event.target.value) ?? null)}
          >
            <option value="">As the job asked</option>
            {choices.map((one) => (
              <option key={one} value={one}>
                {WEIGHTS[one]}
              </option>
            ))}
          </Select>
        )}
        {found && (
          <a href={found.downloadUrl} download className={buttonClass("plain", "sm")}>
            <Download aria-hidden className={ICON} />
            All as .tar.gz
          </a>
        )}
      </div>
      {error && <ErrorNote>{sentence(error)}</ErrorNote>}
      {fetching && !data && <Skeleton className="h-48" />}
      {data && !found && <ErrorNote>It was deleted.</ErrorNote>}
      <ul aria-label="Files" className="flex flex-col divide-y divide-line">
        {found?.files.map((file) => (
          <li key={file.path} className="flex min-w-0 flex-wrap items-center gap-x-3 py-1 text-xs">
            <a href={file.downloadUrl} download className="min-w-0 flex-1 basis-40 truncate font-mono hover:underline">
              {file.path}
            </a>
            <span className="text-ink-3 tabular-nums">{bytes(file.sizeBytes)}</span>
            {file.sha256 !== null && (
              <span className="inline-flex items-center gap-1 text-ink-3">
                SHA-256 <Copyable text={file.sha256} shown={file.sha256.slice(0, 12)} />
              </span>
            )}
          </li>
        ))}
      </ul>
      {found?.files.some((file) => file.sha256 !== null) && (
        <p className="mt-2 text-ink-3 text-xs">
          The archive holds the checksums as <code className="font-mono">SHA256SUMS</code>: where it was unpacked,{" "}
          <code className="font-mono">sha256sum -c SHA256SUMS</code> tells whether all of it arrived.
        </p>
      )}
    </Dialog>
  );
}
