import { LineChart, Maximize2, Table2, ZoomOut } from "lucide-react";
import { IconButton } from "../Button";

interface ChartHeaderProps {
  title: string;
  asTable: boolean;
  onTable: () => void;
  onReset: (() => void) | undefined;
  onExpand: (() => void) | undefined;
  actions: React.ReactNode;
}

export function ChartHeader({ title, asTable, onTable, onReset, onExpand, actions }: ChartHeaderProps) {
  return (
    <figcaption className="flex h-7 items-center gap-0.5">
      <span className="min-w-0 flex-1 truncate font-medium text-ink-2 text-xs" title={title}>
        {title}
      </span>
      {/* In the way while one reads, there when one reaches for them. */}
      <span className="flex items-center gap-0.5 transition-opacity focus-within:opacity-100 group-hover/chart:opacity-100 [@media(hover:hover)]:opacity-0">
        {actions}
        {onReset && (
          <IconButton label={`Show all of ${title}`} onClick={onReset}>
            <ZoomOut aria-hidden className="size-3.5" />
          </IconButton>
        )}
        <IconButton
          label={asTable ? `Show ${title} as a chart` : `Show ${title} as a table`}
          aria-pressed={asTable}
          onClick={onTable}
        >
          {asTable ? <LineChart aria-hidden className="size-3.5" /> : <Table2 aria-hidden className="size-3.5" />}
        </IconButton>
        {onExpand && (
          <IconButton label={`Enlarge ${title}`} onClick={onExpand}>
            <Maximize2 aria-hidden className="size-3.5" />
          </IconButton>
        )}
      </span>
    </figcaption>
  );
}
