import { Link } from "@tanstack/react-router";
import { Play, Trash2, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "@/ui/Button";
import { Badge } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import { FORMAT_NAMES, type RewardRow } from "./documents";

interface RewardsTableProps {
  rows: readonly RewardRow[] | undefined;
  onOpen: (row: RewardRow) => void;
  onDelete: (row: RewardRow) => void;
  empty: ReactNode;
}

function usedBy({ jobs }: RewardRow): ReactNode {
  const size = jobs.nodes.length;
  if (size === 0) return <span className="text-ink-3">–</span>;
  return `${size}${jobs.pageInfo.hasNextPage ? "+" : ""} ${size === 1 ? "job" : "jobs"}`;
}

export function RewardsTable({ rows, onOpen, onDelete, empty }: RewardsTableProps) {
  const columns: readonly Column<RewardRow>[] = [
    {
      id: "name",
      header: "Name",
      cell: (row) => (
        <span className="flex items-center gap-2">
          <Link to="/rewards/$id" params={{ id: row.id }} className="truncate font-medium hover:underline">
            {row.name}
          </Link>
          {row.trial && row.trial.warnings.length > 0 && (
            <TriangleAlert
              role="img"
              aria-label={row.trial.warnings.map((one) => one.message).join(" ")}
              className="size-3.5 shrink-0 text-warn"
            />
          )}
        </span>
      ),
    },
    { id: "format", header: "Format", cell: (row) => FORMAT_NAMES[row.format], from: "sm" },
    { id: "components", header: "Components", cell: (row) => <Components row={row} />, from: "md" },
    {
      id: "jobs",
      header: "Used by",
      cell: usedBy,
    },
    {
      id: "created",
      header: "Created",
      numeric: true,
      from: "sm",
      cell: (row) => (
        <span className="text-ink-2">
          <Ago at={row.createdAt} />
        </span>
      ),
    },
    {
      id: "actions",
      header: <span className="sr-only">Actions</span>,
      width: "5rem",
      cell: (row) => (
        <span className="flex justify-end">
          <Link
            to="/rewards/playground"
            search={{ id: row.id } as never}
            aria-label={`Open ${row.name} in the playground`}
            title="Open in the playground"
            className="inline-flex size-7 items-center justify-center rounded-md text-ink-2 hover:bg-hover hover:text-ink"
          >
            <Play aria-hidden className="size-3.5" />
          </Link>
          <IconButton label={`Delete ${row.name}`} onClick={() => onDelete(row)}>
            <Trash2 aria-hidden className="size-3.5" />
          </IconButton>
        </span>
      ),
    },
  ];
  return <Table label="Reward functions" columns={columns} rows={rows} rowKey={(row) => row.id} onOpen={onOpen} empty={empty} />;
}

function Components({ row }: { row: RewardRow }) {
  const names = row.trial?.components.map((one) => one.name) ?? [];
  if (names.length === 0) return <span className="text-ink-3">one number</span>;
  const weight = new Map(row.weights.map((one) => [one.name, one.weight]));
  return (
    <span className="flex gap-1 overflow-hidden">
      {names.slice(0, 4).map((name) => (
        <Badge key={name}>
          {name}
          {weight.has(name) && ` ×${weight.get(name)}`}
        </Badge>
      ))}
      {names.length > 4 && <span className="text-ink-3 text-xs">+{names.length - 4}</span>}
    </span>
  );
}
