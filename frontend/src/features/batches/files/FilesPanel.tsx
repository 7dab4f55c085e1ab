import { Download, FileText, Layers, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { sentence } from "@/lib/errors";
import { bytes, words } from "@/lib/format";
import { sameOrigin } from "@/lib/upload";
import { choice, useUrlState } from "@/lib/url";
import { told } from "@/lib/useAction";
import { Button, buttonClass, IconButton } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Confirm } from "@/ui/Dialog";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Select } from "@/ui/Field";
import { Panel } from "@/ui/Panel";
import { Badge } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import { toast } from "@/ui/Toast";
import { useDeleteFile } from "../actions";
import type { StoredFile } from "../documents";
import { LIST_FILES } from "../snippets";
import { useFiles } from "./useFiles";

const PURPOSES = ["ALL", "BATCH", "BATCH_OUTPUT", "EVALS", "FINE_TUNE", "USER_DATA"] as const;
const LABELS: Record<(typeof PURPOSES)[number], string> = {
  ALL: "Every purpose",
  BATCH: "Requests",
  BATCH_OUTPUT: "Written by batches",
  EVALS: "Evals",
  FINE_TUNE: "Fine-tune",
  USER_DATA: "User data",
};
const VIEW = { purpose: choice(PURPOSES, "ALL") };

interface Props {
  search: ReactNode;
  q: string;
  onNew: () => void;
  /** Make a batch of a stored file. */
  onUse: (id: string) => void;
}

/** What was uploaded for batches, and what they have written. */
export default function FilesPanel({ search, q, onNew, onUse }: Props) {
  const [{ purpose }, setView] = useUrlState(VIEW);
  const files = useFiles(purpose === "ALL" ? null : purpose, q);
  const [deleting, setDeleting] = useState<StoredFile | null>(null);
  const remove = useDeleteFile();
  const confirmed = async () => {
    if (!deleting) return;
    const refused = await remove(deleting.id);
    if (refused) return void toast(told(refused), { mood: "bad" });
    toast(`${deleting.filename} was deleted.`);
    files.again();
  };
  return (
    <>
      <div className="flex flex-wrap items-center gap-2">
        {search}
        <Select
          aria-label="Purpose"
          value={purpose}
          onChange={(event) => setView({ purpose: PURPOSES.find((one) => one === event.target.value) ?? "ALL" })}
          className="!w-auto"
        >
          {PURPOSES.map((one) => (
            <option key={one} value={one}>
              {LABELS[one]}
            </option>
          ))}
        </Select>
        <span className="flex-1" />
        <CopyAs title="List files" snippets={LIST_FILES} />
      </div>
      {files.error && <ErrorNote onRetry={files.again}>{sentence(files.error)}</ErrorNote>}
      <Panel flush>
        <Table
          label="Files"
          columns={columnsOf(onUse, setDeleting)}
          rows={files.error ? [] : files.rows}
          rowKey={(one) => one.id}
          empty={
            q || purpose !== "ALL" ? (
              <Empty
                title="No file is like that"
                action={<Button onClick={() => setView({ purpose: "ALL" })}>Every purpose</Button>}
              />
            ) : (
              <Empty
                icon={<FileText aria-hidden />}
                title="No files yet"
                action={
                  <Button tone="solid" onClick={onNew}>
                    New batch
                  </Button>
                }
              >
                Files of requests come here as batches are made of them, and so does what the batches write.
              </Empty>
            )
          }
        />
      </Panel>
      {files.hasMore && (
        <Button className="self-center" onClick={() => void files.next()}>
          Show more
        </Button>
      )}
      <Confirm
        open={deleting !== null}
        onOpenChange={(open) => !open && setDeleting(null)}
        title={`Delete ${deleting?.filename}?`}
        action="Delete it"
        onConfirm={confirmed}
      >
        What it holds is gone for good. Batches that have read or written it stay, with their figures; what they were asked can
        then not be retried.
      </Confirm>
    </>
  );
}

const columnsOf = (onUse: (id: string) => void, onDelete: (file: StoredFile) => void): Column<StoredFile>[] => [
  {
    id: "name",
    header: "Name",
    cell: (one) => (
      <span className="flex min-w-0 flex-col leading-tight max-sm:max-w-28">
        <span className="truncate font-medium" title={one.filename}>
          {one.filename}
        </span>
        <span className="truncate font-mono text-2xs text-ink-3" title={one.id}>
          {one.id}
        </span>
      </span>
    ),
  },
  {
    id: "purpose",
    header: "Purpose",
    from: "sm",
    width: "9rem",
    cell: (one) => <Badge>{LABELS[one.purpose] ?? words(one.purpose)}</Badge>,
  },
  { id: "size", header: "Size", numeric: true, width: "5.5rem", cell: (one) => bytes(one.sizeBytes) },
  {
    id: "expires",
    header: "Expires",
    numeric: true,
    from: "md",
    width: "7rem",
    cell: (one) => (one.expiresAt ? <Ago at={one.expiresAt} /> : <span className="text-ink-3">never</span>),
  },
  {
    id: "created",
    header: "Created",
    numeric: true,
    from: "sm",
    width: "7rem",
    cell: (one) => (
      <span className="text-ink-2">
        <Ago at={one.createdAt} />
      </span>
    ),
  },
  {
    id: "actions",
    header: <span className="sr-only">Actions</span>,
    width: "7rem",
    cell: (one) => (
      <span className="flex items-center justify-end gap-0.5">
        {one.purpose === "BATCH" && (
          <IconButton label={`Make a batch of ${one.filename}`} onClick={() => onUse(one.id)}>
            <Layers aria-hidden className="size-3.5" />
          </IconButton>
        )}
        <a
          href={sameOrigin(one.contentUrl)}
          download
          aria-label={`Download ${one.filename}`}
          title={`Download ${one.filename}`}
          className={buttonClass("ghost", "sm", true)}
        >
          <Download aria-hidden className="size-3.5" />
        </a>
        <IconButton label={`Delete ${one.filename}`} onClick={() => onDelete(one)}>
          <Trash2 aria-hidden className="size-3.5" />
        </IconButton>
      </span>
    ),
  },
];
