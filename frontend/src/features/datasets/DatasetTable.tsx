import { Link, useNavigate } from "@tanstack/react-router";
import { Ellipsis, Play, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import { bytes, count } from "@/lib/format";
import { IconButton } from "@/ui/Button";
import { Menu } from "@/ui/Menu";
import { type Column, Table } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import type { DatasetRow } from "./documents";
import { sourceName, sourcePlace } from "./source";

const SHOWN_COLUMNS = 4;

function Columns({ names }: { names: readonly string[] }) {
  if (names.length === 0) return <span className="text-ink-3">not read yet</span>;
  const rest = names.length - SHOWN_COLUMNS;
  return (
    <span className="font-mono text-ink-2 text-xs" title={names.join(", ")}>
      {names.slice(0, SHOWN_COLUMNS).join(", ")}
      {rest > 0 && <span className="text-ink-3"> +{rest}</span>}
    </span>
  );
}

function usedBy({ id, jobs }: DatasetRow): ReactNode {
  const size = jobs.nodes.length;
  if (size === 0) return <span className="text-ink-3">–</span>;
  return (
    <Link to="/datasets/$id" params={{ id }} search={{ tab: "jobs" }} className="hover:underline">
      {size}
      {jobs.pageInfo.hasNextPage && "+"} {size === 1 ? "job" : "jobs"}
    </Link>
  );
}

interface DatasetTableProps {
  rows: readonly DatasetRow[] | undefined;
  onDelete: (row: DatasetRow) => void;
  empty: ReactNode;
}

export function DatasetTable({ rows, onDelete, empty }: DatasetTableProps) {
  const navigate = useNavigate();
  const open = (row: DatasetRow) => void navigate({ to: "/datasets/$id", params: { id: row.id } });
  const columns: Column<DatasetRow>[] = [
    {
      id: "name",
      header: "Name",
      cell: (row) => (
        <Link to="/datasets/$id" params={{ id: row.id }} className="font-medium hover:underline" tabIndex={-1}>
          {row.name}
        </Link>
      ),
    },
    { id: "rows", header: "Rows", numeric: true, cell: ({ rowCount }) => (rowCount === null ? "–" : count(rowCount)) },
    { id: "columns", header: "Columns", from: "md", cell: ({ columns }) => <Columns names={columns} /> },
    {
      id: "size",
      header: "Size",
      numeric: true,
      from: "sm",
      cell: ({ sizeBytes }) => (Number(sizeBytes) ? bytes(sizeBytes) : "–"),
    },
    {
      id: "source",
      header: "Source",
      from: "lg",
      cell: (row) => (
        <span title={sourcePlace(row) ?? undefined}>
          {sourceName(row.sourceType)}
          {sourcePlace(row) && <span className="ml-1.5 text-ink-3 text-xs">{sourcePlace(row)}</span>}
        </span>
      ),
    },
    { id: "used", header: "Used by", from: "sm", cell: usedBy },
    {
      id: "created",
      header: "Created",
      numeric: true,
      from: "md",
      cell: ({ createdAt }) => (
        <span className="text-ink-2">
          <Ago at={createdAt} />
        </span>
      ),
    },
    {
      id: "actions",
      header: <span className="sr-only">Actions</span>,
      width: "2.5rem",
      cell: (row) => (
        <Menu
          trigger={
            <IconButton label={`Actions for ${row.name}`}>
              <Ellipsis aria-hidden className="size-4" />
            </IconButton>
          }
          items={[
            {
              label: "Train on it",
              icon: <Play aria-hidden className="size-3.5" />,
              onSelect: () => void navigate({ to: "/jobs/new", search: { dataset: row.id } }),
            },
            null,
            {
              label: "Delete…",
              icon: <Trash2 aria-hidden className="size-3.5" />,
              danger: true,
              onSelect: () => onDelete(row),
            },
          ]}
        />
      ),
    },
  ];
  return (
    <Table
      label="Datasets"
      columns={columns}
      rows={rows}
      rowKey={(row) => row.id}
      onOpen={open}
      onRowKey={(row, key) => {
        if (key !== "Delete") return false;
        onDelete(row);
        return true;
      }}
      empty={empty}
    />
  );
}
