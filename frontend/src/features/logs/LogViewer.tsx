import { ArrowDown } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { count } from "@/lib/format";
import { useShortcuts } from "@/lib/shortcuts";
import { useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { ErrorNote } from "@/ui/Empty";
import { toast } from "@/ui/Toast";
import { LogFailure, type LogFilter, type LogKind } from "./api";
import { LogBody } from "./LogBody";
import { LogToolbar } from "./LogToolbar";
import { News } from "./News";
import { useLog, useSince } from "./useLog";
import { useLogScroll } from "./useLogScroll";
import { useMatches } from "./useMatches";
import { filterOf, type Range, readRange, VIEW, writeRange } from "./view";

interface LogViewerProps {
  of: LogKind;
  id: string;
  /** Its height; by default what is left of the window below a page's header. */
  className?: string;
}

/** The log of a job or a deployment: as long as it is, read from anywhere, searched on the server, and live. */
export default function LogViewer({ of, id, className }: LogViewerProps) {
  const [view, setView] = useUrlState(VIEW);
  const filter = filterOf(view);
  const picked = useMemo(() => readRange(view.line), [view.line]);
  const { api, lines } = useLog(of, id, filter, picked?.[0] ?? null);
  const scroll = useLogScroll(lines, view.wrap, picked?.[0] ?? null);
  const since = useSince(api, view.time === "elapsed");
  const wanted: LogFilter | null = view.find ? { ...filter, search: view.find } : null;
  const matches = useMatches(api, lines, wanted ?? filter);
  const find = useRef<HTMLInputElement>(null);
  const [seeking, setSeeking] = useState(false);
  const turn = useRef(0);

  const pick = useCallback((range: Range | null) => setView({ line: range ? writeRange(range) : "" }), [setView]);
  /** Go to the next line that a filter allows, from the one that is picked or the first in sight; round at the ends. */
  const seek = async (sought: LogFilter, way: "next" | "previous", from?: number) => {
    const mine = ++turn.current;
    const alive = () => turn.current === mine;
    setSeeking(true);
    try {
      const here = from ?? picked?.[0] ?? lines.numberOf(scroll.range[0]) ?? 1;
      const start = way === "next" ? here + (from === undefined && picked ? 1 : 0) : here;
      const found =
        (await api.seek(sought, way, start, alive)) ?? (await api.seek(sought, way, way === "next" ? 1 : null, alive));
      if (!alive()) return;
      if (!found) return toast("No line of this log has that.");
      pick([found.number, found.number]);
      await scroll.goTo(found.number);
    } catch (error) {
      if (!(error instanceof LogFailure)) throw error;
      toast(error.message, { mood: "bad" });
    } finally {
      if (alive()) setSeeking(false);
    }
  };
  const step = (way: "next" | "previous") => wanted && void seek(wanted, way);
  const firstError = () => void seek({ ...filter, levels: ["ERROR"] }, "next", 1);

  useShortcuts([
    { keys: "/", label: "Search the log", group: "Log", run: () => find.current?.focus() },
    { keys: "n", label: "Next match", group: "Log", run: () => step("next") },
    { keys: "Shift+n", label: "Match before", group: "Log", run: () => step("previous") },
    { keys: "f", label: "Follow the end", group: "Log", run: scroll.toEnd },
    { keys: "e", label: "First error", group: "Log", run: firstError },
    { keys: "w", label: "Wrap lines", group: "Log", run: () => setView({ wrap: !view.wrap }) },
  ]);
  // An address that was followed while the log was there already.
  const first = picked?.[0] ?? null;
  const was = useRef(first);
  useEffect(() => {
    if (first !== null && first !== was.current) void scroll.goTo(first);
    was.current = first;
  }, [first, scroll.goTo]);

  return (
    <section
      aria-label="Log"
      className={cx(
        "flex min-w-0 flex-col overflow-hidden rounded-lg border border-line bg-surface shadow-card",
        className ?? "h-[max(24rem,calc(100dvh-13rem))]",
      )}
    >
      <LogToolbar
        api={api}
        lines={lines}
        view={view}
        setView={setView}
        filter={filter}
        matches={matches}
        seeking={seeking}
        findRef={find}
        onStep={step}
        onFirstError={firstError}
        picked={picked}
        onUnpick={() => pick(null)}
      />
      {lines.failure && (
        <ErrorNote className="m-2" onRetry={() => lines.retry()}>
          {lines.failure}
        </ErrorNote>
      )}
      <News arrived={lines.arrived} following={scroll.following && !lines.ended} />
      <div className="relative min-h-0 flex-1">
        <LogBody
          lines={lines}
          scroll={scroll}
          wrap={view.wrap}
          time={view.time}
          since={since}
          word={view.find}
          picked={picked}
          onPick={pick}
          filtered={filter !== null}
        />
        {!scroll.following && lines.ready && (!lines.ended || scroll.unseen > 0) && (
          <Button
            size="sm"
            tone="solid"
            className="absolute right-5 bottom-4 rounded-full shadow-over"
            icon={<ArrowDown aria-hidden className="size-3.5" />}
            onClick={scroll.toEnd}
          >
            {scroll.unseen > 0 ? `${count(scroll.unseen)} new ${scroll.unseen === 1 ? "line" : "lines"}` : "Follow"}
          </Button>
        )}
      </div>
    </section>
  );
}
