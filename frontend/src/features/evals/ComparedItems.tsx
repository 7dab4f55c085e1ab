import { count } from "@/lib/format";
import type { SetUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Dialog } from "@/ui/Dialog";
import { Empty } from "@/ui/Empty";
import { Select } from "@/ui/Field";
import { Panel } from "@/ui/Panel";
import { type Column, Table } from "@/ui/Table";
import type { Head } from "./Difference";
import type { Compared } from "./documents";
import { askedText, differenceText, scoreText } from "./figures";
import { Answer, Question, titleOf } from "./ItemDialog";
import type { usePages } from "./usePages";
import type { COMPARE_VIEW } from "./view";

interface Props {
  pages: ReturnType<typeof usePages<Compared, Head>>;
  view: { all: boolean; item: number | null };
  setView: SetUrlState<typeof COMPARE_VIEW>;
  names: readonly [string, string];
}

/** The rows of both runs; those that have changed by default. */
export function ComparedItems({ pages, view, setView, names }: Props) {
  const open = pages.rows?.find((one) => one.itemIndex === view.item);
  return (
    <>
      <Panel
        flush
        title="Rows"
        actions={
          <Select
            aria-label="Which rows"
            className="!h-7 !w-auto text-xs"
            value={view.all ? "all" : "changed"}
            onChange={(event) => setView({ all: event.target.value === "all" })}
          >
            <option value="changed">What has changed</option>
            <option value="all">Every row</option>
          </Select>
        }
      >
        <Table
          label="Rows and their scores in both runs"
          columns={COLUMNS}
          rows={pages.rows}
          rowKey={(one) => String(one.itemIndex)}
          onOpen={(one) => setView({ item: one.itemIndex })}
          selected={(one) => one === open}
          empty={
            <Empty
              title={view.all ? "They have no row in common" : "No row has another score"}
              action={!view.all && <Button onClick={() => setView({ all: true })}>Show every row</Button>}
            />
          }
        />
        {pages.hasMore && (
          <div className="border-line border-t p-2 text-center">
            <Button size="sm" tone="ghost" busy={pages.busy} onClick={pages.more}>
              Show more
            </Button>
          </div>
        )}
      </Panel>
      {open && <ComparedDialog one={open} names={names} onClose={() => setView({ item: null })} />}
    </>
  );
}

/** Both answers to one row, side by side. */
function ComparedDialog({ one, names, onClose }: { one: Compared; names: Props["names"]; onClose: () => void }) {
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={titleOf(one)}
      description={`${scoreText(one.scoreA)} and ${scoreText(one.scoreB)}: ${differenceText(one.difference)}`}
    >
      <div className="flex flex-col gap-3">
        {one.input !== null && <Question input={one.input} label={one.label} />}
        <div className="grid gap-4 sm:grid-cols-2">
          {([one.a, one.b] as const).map((answers, index) => (
            <section key={index === 0 ? "a" : "b"} className="flex min-w-0 flex-col gap-3">
              <h3 className="break-words font-semibold text-sm">
                <span className="text-ink-3">{index === 0 ? "A" : "B"}</span> {names[index]}
              </h3>
              {answers.map((item) => (
                <Answer key={item.sample} item={item} name={answers.length > 1 ? `Output ${count(item.sample + 1)}` : "Output"} />
              ))}
              {answers.length === 0 && <p className="text-ink-3 text-sm">It was not asked.</p>}
            </section>
          ))}
        </div>
      </div>
    </Dialog>
  );
}

const said = (items: Compared["a"]): string => items[0]?.output ?? items[0]?.error ?? "–";

const COLUMNS: Column<Compared>[] = [
  {
    id: "row",
    header: "Row",
    numeric: true,
    width: "4rem",
    cell: (one) => <span className="text-ink-3">{count(one.itemIndex + 1)}</span>,
  },
  {
    id: "input",
    header: "Input",
    cell: (one) => <span className="text-ink-2 max-sm:block max-sm:w-24 max-sm:truncate">{askedText(one.input ?? "")}</span>,
  },
  { id: "label", header: "Label", from: "xl", cell: (one) => <span className="text-ink-2">{one.label ?? "–"}</span> },
  { id: "said-a", header: "A said", from: "lg", cell: (one) => said(one.a) },
  { id: "said-b", header: "B said", from: "lg", cell: (one) => said(one.b) },
  { id: "a", header: "A", numeric: true, width: "4rem", cell: (one) => scoreText(one.scoreA) },
  { id: "b", header: "B", numeric: true, width: "4rem", cell: (one) => scoreText(one.scoreB) },
  {
    id: "difference",
    header: "Change",
    numeric: true,
    width: "5rem",
    cell: ({ difference }) => (
      <span className={cx(difference !== null && (difference > 0 ? "text-good" : difference < 0 && "text-bad"))}>
        {differenceText(difference)}
      </span>
    ),
  },
];
