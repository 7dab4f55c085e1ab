import { count } from "@/lib/format";
import type { Json } from "@/lib/graphql";
import { Table } from "@/ui/Table";
import type { Statistics } from "./documents";

type ColumnOf = NonNullable<Statistics["columns"]>[number];

const typesOf = (types: Json): string =>
  Object.entries(types as Record<string, number>)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, size], _, all) => (all.length === 1 ? name : `${name} ${count(size)}`))
    .join(" · ");

/** What each column holds. */
export function Contents({ columns }: { columns: readonly ColumnOf[] | undefined }) {
  return (
    <Table
      label="Columns"
      rows={columns}
      rowKey={(column) => column.name}
      columns={[
        { id: "name", header: "Column", cell: (column) => <span className="font-mono text-xs">{column.name}</span> },
        { id: "types", header: "Type", cell: (column) => typesOf(column.types) },
        {
          id: "missing",
          header: "Rows without it",
          numeric: true,
          cell: (column) => (Number(column.missing) ? <span className="text-warn">{count(column.missing)}</span> : "0"),
        },
      ]}
    />
  );
}
