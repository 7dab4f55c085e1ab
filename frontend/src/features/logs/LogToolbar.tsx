import {
  ArrowDownToLine,
  ChevronDown,
  ChevronUp,
  CircleX,
  Clock,
  Copy,
  Ellipsis,
  Link2,
  Search,
  WrapText,
  X,
} from "lucide-react";
import type { KeyboardEvent, RefObject } from "react";
import { count } from "@/lib/format";
import { useTyped } from "@/lib/typed";
import type { SetUrlState } from "@/lib/url";
import { Button, IconButton } from "@/ui/Button";
import { copyText } from "@/ui/Copy";
import { cx } from "@/ui/cx";
import { Menu } from "@/ui/Menu";
import { toast } from "@/ui/Toast";
import { type LogApi, LogFailure, type LogFilter } from "./api";
import { download, textOf } from "./download";
import { LogFilters } from "./LogFilters";
import type { Lines } from "./lines";
import type { TimeColumn } from "./time";
import type { Matches } from "./useMatches";
import type { Range, VIEW, View } from "./view";

const NEXT_TIME: Record<TimeColumn, TimeColumn> = { clock: "elapsed", elapsed: "off", off: "clock" };
const TIME_LABEL: Record<TimeColumn, string> = { clock: "Time of day", elapsed: "Time since the first line", off: "No time" };

interface LogToolbarProps {
  api: LogApi;
  lines: Lines;
  view: View & { wrap: boolean; time: TimeColumn };
  setView: SetUrlState<typeof VIEW>;
  filter: LogFilter | null;
  matches: Matches | null;
  seeking: boolean;
  findRef: RefObject<HTMLInputElement | null>;
  onStep: (way: "next" | "previous") => void;
  onFirstError: () => void;
  picked: Range | null;
  onUnpick: () => void;
}

const said = (matches: Matches) => `${count(matches.count)}${matches.more ? "+" : ""}`;

export function LogToolbar(props: LogToolbarProps) {
  const { api, lines, view, setView, filter, matches, seeking, findRef, onStep, onFirstError, picked, onUnpick } = props;
  const { text, type, settle } = useTyped(view.find, (find) => setView({ find }));

  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === "Escape") {
      if (text) type("");
      else event.currentTarget.blur();
    } else if (event.key === "Enter") {
      if (text === view.find) onStep(event.shiftKey ? "previous" : "next");
      else settle();
    } else return;
    event.preventDefault();
  };
  const copyPicked = async () => {
    if (!picked) return;
    try {
      const found = await textOf(api, picked);
      if (await copyText(found)) toast(picked[0] === picked[1] ? "Copied the line." : "Copied the lines.");
      else toast("The browser did not allow copying.", { mood: "bad" });
    } catch (error) {
      if (!(error instanceof LogFailure)) throw error;
      toast(error.message, { mood: "bad" });
    }
  };
  const copyLink = async () => {
    if (await copyText(location.href)) toast("Copied the address of this line.");
  };

  return (
    <div role="toolbar" aria-label="Log" className="flex min-h-10 flex-wrap items-center gap-1.5 border-line border-b px-2 py-1">
      <div className="flex h-7 min-w-40 flex-1 items-center gap-1.5 rounded-md border border-line bg-canvas px-2 focus-within:border-line-strong sm:max-w-96">
        <Search aria-hidden className="size-3.5 shrink-0 text-ink-3" />
        <input
          ref={findRef}
          type="search"
          aria-label="Search the log"
          placeholder="Search  /"
          value={text}
          onChange={(event) => type(event.target.value)}
          onKeyDown={onKeyDown}
          className="min-w-0 flex-1 bg-transparent text-sm outline-none [&::-webkit-search-cancel-button]:hidden"
        />
        {view.find && (
          <>
            <span
              role="status"
              className={cx("whitespace-nowrap text-2xs tabular-nums", matches?.count ? "text-ink-3" : "text-warn")}
            >
              {matches ? `${said(matches)} ${matches.count === 1 && !matches.more ? "line" : "lines"}` : "…"}
            </span>
            <button
              type="button"
              aria-pressed={view.only}
              title="Show only lines that match"
              onClick={() => setView({ only: !view.only })}
              className={cx("rounded-sm px-1 text-2xs", view.only ? "bg-accent-soft text-accent" : "text-ink-3 hover:text-ink")}
            >
              only
            </button>
          </>
        )}
      </div>
      {view.find && (
        <div className="flex">
          <IconButton label="Match before (Shift N)" busy={seeking} onClick={() => onStep("previous")}>
            <ChevronUp aria-hidden className="size-4" />
          </IconButton>
          <IconButton label="Next match (N)" busy={seeking} onClick={() => onStep("next")}>
            <ChevronDown aria-hidden className="size-4" />
          </IconButton>
        </div>
      )}
      <LogFilters of={api.of} view={view} setView={setView} />
      <Button
        size="sm"
        tone="ghost"
        title="First error (E)"
        icon={<CircleX aria-hidden className="size-3.5" />}
        onClick={onFirstError}
      >
        First error
      </Button>
      <span className="flex-1" />
      {picked && (
        <span className="flex items-center gap-0.5 rounded-md bg-selected pl-2 text-xs tabular-nums">
          {picked[0] === picked[1] ? `Line ${picked[0]}` : `Lines ${picked[0]}–${picked[1]}`}
          <IconButton label="Copy as text" onClick={() => void copyPicked()}>
            <Copy aria-hidden className="size-3.5" />
          </IconButton>
          <IconButton label="Copy the address" onClick={() => void copyLink()}>
            <Link2 aria-hidden className="size-3.5" />
          </IconButton>
          <IconButton label="Let go of the line" onClick={onUnpick}>
            <X aria-hidden className="size-3.5" />
          </IconButton>
        </span>
      )}
      <span className="whitespace-nowrap px-1 text-ink-3 text-xs tabular-nums max-sm:hidden">
        {lines.looking && lines.rows > 0
          ? "searching…"
          : !lines.ready
            ? ""
            : filter && !view.only
              ? view.find || !matches
                ? "filtered"
                : `${said(matches)} lines`
              : filter
                ? ""
                : `${count(lines.rows)} lines`}
      </span>
      <IconButton
        label={`${TIME_LABEL[view.time]}: change`}
        onClick={() => setView({ time: NEXT_TIME[view.time] })}
        className="max-sm:hidden"
      >
        <Clock aria-hidden className={cx("size-4", view.time === "off" && "opacity-50")} />
      </IconButton>
      <IconButton
        label="Wrap lines (W)"
        aria-pressed={view.wrap}
        className={view.wrap ? "bg-hover text-ink" : ""}
        onClick={() => setView({ wrap: !view.wrap })}
      >
        <WrapText aria-hidden className="size-4" />
      </IconButton>
      <Menu
        trigger={
          <IconButton label="More">
            <Ellipsis aria-hidden className="size-4" />
          </IconButton>
        }
        items={[
          {
            label: filter ? "Download these lines" : "Download as text",
            icon: <ArrowDownToLine aria-hidden className="size-3.5" />,
            onSelect: () => void download(api, filter),
          },
        ]}
      />
    </div>
  );
}
