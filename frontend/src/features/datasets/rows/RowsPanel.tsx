import { ChevronLeft, ChevronRight } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { sentence } from "@/lib/errors";
import { count } from "@/lib/format";
import { choice, integer, text, useUrlState } from "@/lib/url";
import { Button, IconButton } from "@/ui/Button";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Input } from "@/ui/Field";
import { Panel } from "@/ui/Panel";
import { SearchInput } from "@/ui/SearchInput";
import { ordered } from "./cells";
import { ROW_VIEWS, RowDetail } from "./RowDetail";
import { RowGrid } from "./RowGrid";
import { useRows } from "./useRows";
import { useSearch } from "./useSearch";

/** A browser scrolls some millions of pixels and no more: larger datasets are shown in parts of so many rows. */
const PART = 200_000;
const URL_STATE = { row: integer(null), find: text(""), view: choice(ROW_VIEWS, "model") };

interface RowsPanelProps {
  datasetId: string;
  size: number;
  columns: readonly string[];
  baseModel: string;
}

export function RowsPanel({ datasetId, size, columns, baseModel }: RowsPanelProps) {
  const [{ row: chosen, find, view }, setUrl] = useUrlState(URL_STATE);
  const rows = useRows(datasetId);
  const search = find.trim();
  const found = useSearch(datasetId, search);
  const [part, setPart] = useState(0);
  const detail = useRef<HTMLDivElement>(null);
  // The chosen row may come from the URL, or from a search in another part.
  useEffect(() => {
    if (chosen !== null) setPart(Math.floor(chosen / PART));
  }, [chosen]);
  const start = part * PART;
  const { see } = rows;
  const onSee = useCallback((first: number, last: number) => see(start + first, start + last), [see, start]);

  const choose = (number: number) => {
    setUrl({ row: Math.min(size - 1, Math.max(0, number)) });
    if (window.matchMedia("(width < 64rem)").matches)
      requestAnimationFrame(() => detail.current?.scrollIntoView({ block: "nearest" }));
  };
  const hits = found.rows.map((row) => Number(row.number));
  const step = (by: 1 | -1) => {
    if (chosen === null) return;
    const at = hits.indexOf(chosen);
    choose(search && at >= 0 ? (hits[at + by] ?? chosen) : chosen + by);
  };
  const row = chosen === null ? undefined : (rows.row(chosen) ?? found.rows.find(({ number }) => Number(number) === chosen));
  const error = search ? found.error : rows.error;
  const shown = ordered(columns);

  return (
    <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_minmax(22rem,30rem)]">
      <Panel
        flush
        title={
          <SearchInput
            label="Find rows that contain"
            placeholder="Find in the rows"
            small
            className="w-56 max-w-full font-normal"
            restMs={400}
            value={find}
            onChange={(text) => setUrl({ find: text })}
          />
        }
        actions={
          search ? (
            <span className="text-ink-3 text-xs tabular-nums" aria-live="polite">
              {count(hits.length)}
              {found.hasMore && "+"} found{found.isSearching && ", searching…"}
            </span>
          ) : (
            <Place size={size} part={part} onPart={setPart} onGo={choose} />
          )
        }
      >
        {error && (
          <ErrorNote className="m-2" {...(search ? {} : { onRetry: rows.retry })}>
            {sentence(error)}
          </ErrorNote>
        )}
        {search && hits.length === 0 && !found.isSearching ? (
          <Empty title="No row contains that" action={<Button onClick={() => setUrl({ find: "" })}>Show all rows</Button>} />
        ) : (
          <RowGrid
            key={search ? "search" : `part-${part}`}
            columns={shown}
            size={search ? hits.length : Math.min(PART, size - start)}
            at={(index) => (search ? found.rows[index] : rows.row(start + index))}
            numberAt={(index) => (search ? (hits[index] ?? 0) : start + index)}
            {...(search ? {} : { onSee })}
            chosen={
              chosen === null ? -1 : search ? hits.indexOf(chosen) : Math.floor(chosen / PART) === part ? chosen - start : -1
            }
            onChoose={(index) => choose(search ? (hits[index] ?? 0) : start + index)}
          />
        )}
        {search && found.hasMore && (
          <div className="border-line border-t p-1.5 text-center">
            <Button size="sm" tone="ghost" busy={found.isSearching} onClick={found.more}>
              Search on
            </Button>
          </div>
        )}
      </Panel>
      <div ref={detail} className="scroll-mt-4 lg:sticky lg:top-4">
        {chosen === null ? (
          <Panel>
            <p className="py-10 text-center text-ink-3 text-sm">Choose a row to see it as the model reads it.</p>
          </Panel>
        ) : (
          <RowDetail
            datasetId={datasetId}
            number={chosen}
            row={row}
            baseModel={baseModel}
            view={view}
            onView={(to) => setUrl({ view: to })}
            onStep={step}
            onClose={() => setUrl({ row: null })}
          />
        )}
      </div>
    </div>
  );
}

interface PlaceProps {
  size: number;
  part: number;
  onPart: (part: number) => void;
  onGo: (row: number) => void;
}

function Place({ size, part, onPart, onGo }: PlaceProps) {
  const last = Math.floor((size - 1) / PART);
  return (
    <>
      {last > 0 && (
        <span className="flex items-center gap-1 text-ink-2 text-xs tabular-nums">
          <IconButton label="Rows before" disabled={part === 0} onClick={() => onPart(part - 1)}>
            <ChevronLeft aria-hidden className="size-3.5" />
          </IconButton>
          {count(part * PART)}–{count(Math.min(size, (part + 1) * PART) - 1)}
          <IconButton label="Rows after" disabled={part === last} onClick={() => onPart(part + 1)}>
            <ChevronRight aria-hidden className="size-3.5" />
          </IconButton>
        </span>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const value = Number(new FormData(event.currentTarget).get("row"));
          if (Number.isInteger(value) && value >= 0) onGo(value);
        }}
      >
        <Input
          name="row"
          inputMode="numeric"
          aria-label="Go to row"
          placeholder={`Go to row 0–${count(Math.max(0, size - 1))}`}
          className="h-7 w-36 text-xs"
        />
      </form>
    </>
  );
}
