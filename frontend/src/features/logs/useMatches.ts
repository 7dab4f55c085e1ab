/** How many lines of a log have a text: counted by the server in bounded steps, and on as lines are written. */
import { useEffect, useState } from "react";
import { type LogApi, LogFailure, type LogFilter } from "./api";
import type { Lines } from "./lines";

/** At about 250,000 lines a step. */
const MOST_STEPS = 40;
const AGAIN_MS = 3000;

export interface Matches {
  count: number;
  /** There may be more: it is being counted, or it was given up. */
  more: boolean;
}

export function useMatches(api: LogApi, lines: Lines, filter: LogFilter | null): Matches | null {
  const [found, setFound] = useState<Matches | null>(null);
  const key = filter && JSON.stringify(filter);
  useEffect(() => {
    setFound(null);
    if (key === null) return;
    const wanted = JSON.parse(key) as LogFilter;
    let [closed, count, steps] = [false, 0, 0];
    let after: string | null = null;
    let counted = lines.arrived;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      try {
        counted = lines.arrived;
        for (let more = true; more && steps < MOST_STEPS; steps++) {
          const part = await api.count(wanted, after);
          if (closed) return;
          count += part.lines;
          after = part.endCursor ?? after;
          more = part.more;
          setFound({ count, more });
        }
      } catch (error) {
        if (!(error instanceof LogFailure)) throw error;
      }
      timer = setTimeout(again, AGAIN_MS);
    };
    const again = () => {
      if (closed || steps >= MOST_STEPS) return;
      if (lines.arrived !== counted) {
        steps = 0;
        void run();
      } else timer = setTimeout(again, AGAIN_MS);
    };
    void run();
    return () => {
      closed = true;
      clearTimeout(timer);
    };
  }, [api, lines, key]);
  return found;
}
