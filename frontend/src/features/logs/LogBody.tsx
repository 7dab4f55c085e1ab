import { ScrollText } from "lucide-react";
import { type KeyboardEvent, type MouseEvent, useRef } from "react";
import { Empty } from "@/ui/Empty";
import { LogRow } from "./LogRow";
import type { Lines } from "./lines";
import type { TimeColumn } from "./time";
import type { LogScroll } from "./useLogScroll";
import type { Range } from "./view";

interface LogBodyProps {
  lines: Lines;
  scroll: LogScroll;
  wrap: boolean;
  time: TimeColumn;
  since: string | null;
  word: string;
  picked: Range | null;
  onPick: (range: Range | null) => void;
  filtered: boolean;
}

/** The rows that are in sight. The view is stuck to the scrolling element, so that nothing is ever blank while it moves. */
export function LogBody({ lines, scroll, wrap, time, since, word, picked, onPick, filtered }: LogBodyProps) {
  const anchor = useRef<number | null>(null);
  const [from, to] = scroll.range;
  const digits = String(lines.numberOf(Math.max(0, lines.rows - 1)) ?? 1).length;

  const onClick = (event: MouseEvent<HTMLDivElement>) => {
    const link = event.target instanceof Element ? event.target.closest("[data-number]") : null;
    if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const number = Number(link.dataset.number);
    if (event.shiftKey && anchor.current !== null) {
      onPick([Math.min(anchor.current, number), Math.max(anchor.current, number)]);
      return;
    }
    anchor.current = number;
    onPick(picked && picked[0] === number && picked[1] === number ? null : [number, number]);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "End") scroll.toEnd();
    else if (event.key === "Home") scroll.toStart();
    else if (event.key === "Escape" && picked) onPick(null);
    else return;
    event.preventDefault();
  };

  const rows = [];
  for (let row = from; row < to; row++) {
    const number = lines.numberOf(row);
    const chosen = picked !== null && number !== undefined && number >= picked[0] && number <= picked[1];
    rows.push(
      <LogRow
        key={number}
        line={lines.at(row)}
        number={number}
        wrap={wrap}
        time={time}
        since={since}
        word={word}
        picked={chosen}
        current={chosen && picked[0] === number}
        digits={digits}
      />,
    );
  }
  return (
    <div
      ref={scroll.scroller}
      role="log"
      aria-label="Lines"
      // Twenty lines a second are not to be read aloud; what is new is said by their number, now and then.
      aria-live="off"
      aria-busy={!lines.ready}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      onScroll={scroll.onScroll}
      onClick={onClick}
      onKeyDown={onKeyDown}
      className="h-full overflow-auto overscroll-contain [overflow-anchor:none] focus-visible:-outline-offset-2"
    >
      {lines.ready && lines.rows === 0 ? (
        <Empty
          icon={<ScrollText aria-hidden />}
          title={lines.looking ? "Searching…" : filtered ? "No line is like that" : "No line yet"}
        >
          {filtered
            ? "Take a filter away, or search for something else."
            : lines.ended
              ? "It ended without a word."
              : "Lines show up here the moment they are written."}
        </Empty>
      ) : null}
      <div ref={scroll.sizer} className={wrap ? "relative w-full" : "relative w-max min-w-full"}>
        <div className="sticky top-0 overflow-y-clip" style={{ height: scroll.view }}>
          <div ref={scroll.body}>{rows}</div>
        </div>
      </div>
    </div>
  );
}
