import { ArrowDown } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "@/ui/Button";
import { ErrorNote } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { type Column, Table } from "@/ui/Table";
import type { Pages } from "./usePages";

/** A panel with a list that is read page by page. */
export function List<Row extends { id: string }>({
  title,
  actions,
  label,
  columns,
  pages,
  empty,
}: {
  title: ReactNode;
  actions?: ReactNode;
  label: string;
  columns: readonly Column<Row>[];
  pages: Pages<Row>;
  empty: ReactNode;
}) {
  return (
    <Panel title={title} actions={actions} flush>
      {pages.error && (
        <ErrorNote className="m-3" onRetry={pages.again}>
          {pages.error}
        </ErrorNote>
      )}
      {(pages.rows || !pages.error) && (
        <Table label={label} columns={columns} rows={pages.rows} rowKey={(row) => row.id} empty={empty} />
      )}
      {pages.more && (
        <div className="flex justify-center border-line border-t p-2">
          <Button
            size="sm"
            tone="ghost"
            busy={pages.busy}
            icon={<ArrowDown aria-hidden className="size-3.5" />}
            onClick={pages.more}
          >
            Older
          </Button>
        </div>
      )}
    </Panel>
  );
}
