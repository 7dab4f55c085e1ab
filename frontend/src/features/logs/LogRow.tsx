import { memo, useMemo } from "react";
import { cx } from "@/ui/cx";
import { type Ink, spans } from "./ansi";
import type { Level, Line } from "./api";
import { highlight } from "./highlight";
import { clock, elapsed, type TimeColumn } from "./time";

const INKS: Record<Ink, string> = {
  plain: "",
  faint: "text-ink-3",
  red: "text-bad",
  green: "text-good",
  yellow: "text-warn",
  blue: "text-live",
};
const LEVELS: Record<Level, { word: string; ink: string; line: string }> = {
  DEBUG: { word: "debug", ink: "text-ink-3", line: "text-ink-3" },
  INFO: { word: "info", ink: "text-ink-3", line: "" },
  WARNING: { word: "warn", ink: "text-warn", line: "text-warn" },
  ERROR: { word: "error", ink: "text-bad", line: "text-bad" },
};

interface LogRowProps {
  line: Line | null | undefined;
  number: number | undefined;
  wrap: boolean;
  time: TimeColumn;
  /** Of the first line, from which elapsed time is told. */
  since: string | null;
  word: string;
  picked: boolean;
  /** The match that was gone to. */
  current: boolean;
  digits: number;
}

/** One line; what is clicked is found by `data-line`, so that a row has no handler of its own. */
export const LogRow = memo(function LogRow({ line, number, wrap, time, since, word, picked, current, digits }: LogRowProps) {
  const pieces = useMemo(() => (line ? highlight(spans(line.message), word) : []), [line, word]);
  const level = line ? LEVELS[line.level] : undefined;
  return (
    <div
      data-line={number}
      className={cx(
        "group flex min-h-5 min-w-full font-mono text-xs leading-5",
        wrap ? "w-full" : "h-5 w-max",
        picked ? "bg-selected" : line?.level === "ERROR" ? "bg-bad-soft" : "hover:bg-hover",
      )}
    >
      <span
        className={cx(
          "sticky left-0 flex shrink-0 select-none gap-2 pr-3 pl-2 text-ink-3",
          picked ? "bg-selected" : line?.level === "ERROR" ? "bg-bad-soft" : "bg-surface group-hover:bg-hover",
        )}
      >
        <a
          href={`?line=${number}`}
          data-number={number}
          tabIndex={-1}
          className={cx("text-right tabular-nums hover:text-ink hover:underline", picked && "text-ink")}
          style={{ minWidth: `${digits}ch` }}
        >
          {number}
        </a>
        {time !== "off" && (
          <span className="tabular-nums max-sm:hidden" style={{ minWidth: time === "clock" ? "12ch" : "10ch" }}>
            {line ? (time === "clock" ? clock(line.at) : elapsed(line.at, since ?? line.at)) : ""}
          </span>
        )}
        <span className={cx("min-w-[5ch] max-sm:hidden", level?.ink)}>{level?.word}</span>
        <span className="min-w-[8ch] max-w-[12ch] truncate max-md:hidden">{line?.source}</span>
      </span>
      {line === null ? (
        <span className="text-ink-3 italic">no longer kept</span>
      ) : line ? (
        <span
          className={cx(
            "pr-4",
            wrap ? "min-w-0 whitespace-pre-wrap break-words [overflow-wrap:anywhere]" : "whitespace-pre",
            level?.line,
          )}
        >
          {pieces.map((piece, index) => {
            const look = cx(INKS[piece.ink], piece.bold && "font-semibold");
            // biome-ignore-start lint/suspicious/noArrayIndexKey: pieces of a line never move
            if (piece.match)
              return (
                <mark
                  key={index}
                  className={cx(look, "rounded-xs text-ink", current ? "bg-accent-soft outline outline-accent" : "bg-warn-soft")}
                >
                  {piece.text}
                </mark>
              );
            return look ? (
              <span key={index} className={look}>
                {piece.text}
              </span>
            ) : (
              piece.text
            );
            // biome-ignore-end lint/suspicious/noArrayIndexKey: see above
          })}
        </span>
      ) : (
        <span aria-hidden className="my-1.5 h-2 w-40 rounded-sm bg-hover" />
      )}
    </div>
  );
});
