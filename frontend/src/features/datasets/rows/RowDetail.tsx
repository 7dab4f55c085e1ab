import { ChevronDown, ChevronUp, X } from "lucide-react";
import { bytes, count } from "@/lib/format";
import { IconButton } from "@/ui/Button";
import { CodeBlock } from "@/ui/Copy";
import { Skeleton } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Tabs } from "@/ui/Tabs";
import type { RowOfDataset } from "../documents";
import { whole } from "./cells";
import { Rendered } from "./Rendered";

export const ROW_VIEWS = ["model", "json"] as const;
export type RowView = (typeof ROW_VIEWS)[number];

interface RowDetailProps {
  datasetId: string;
  number: number;
  row: RowOfDataset | undefined;
  baseModel: string;
  view: RowView;
  onView: (view: RowView) => void;
  onStep: (step: 1 | -1) => void;
  onClose: () => void;
}

/** One row: as the model reads it, and as it is stored. */
export function RowDetail({ datasetId, number, row, baseModel, view, onView, onStep, onClose }: RowDetailProps) {
  return (
    <Panel
      title={
        <span className="tabular-nums">
          Row {count(number)}
          {row && <span className="ml-2 font-normal text-ink-3 text-xs">{bytes(row.sizeBytes)}</span>}
        </span>
      }
      actions={
        <>
          <IconButton label="Row before" onClick={() => onStep(-1)}>
            <ChevronUp aria-hidden className="size-4" />
          </IconButton>
          <IconButton label="Next row" onClick={() => onStep(1)}>
            <ChevronDown aria-hidden className="size-4" />
          </IconButton>
          <IconButton label="Close the row" onClick={onClose}>
            <X aria-hidden className="size-4" />
          </IconButton>
        </>
      }
    >
      <Tabs
        label="How to see the row"
        tabs={[
          { id: "model", label: "As the model reads it" },
          { id: "json", label: "JSON" },
        ]}
        value={view}
        onChange={onView}
      >
        {view === "model" ? (
          <Rendered datasetId={datasetId} row={number} baseModel={baseModel} />
        ) : row ? (
          <CodeBlock code={whole(row)} label="The row as JSON" className="[&_pre]:whitespace-pre-wrap [&_pre]:break-words" />
        ) : (
          <Skeleton className="h-40" />
        )}
        {view === "json" && row?.data === null && (
          <p className="mt-2 text-ink-3 text-xs">It is longer than 256 KiB: only its beginning is shown.</p>
        )}
      </Tabs>
    </Panel>
  );
}
