import { useEffect, useState } from "react";
import { ago, dateTime, duration } from "@/lib/format";

const listeners = new Set<(now: Date) => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** The time, read again each second by all who show it, by one timer; not where `running` is false. */
export function useNow(running = true): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    if (!running) return;
    setNow(new Date());
    listeners.add(setNow);
    timer ??= setInterval(() => {
      const at = new Date();
      for (const listener of listeners) listener(at);
    }, 1000);
    return () => {
      listeners.delete(setNow);
      if (listeners.size === 0) {
        clearInterval(timer);
        timer = undefined;
      }
    };
  }, [running]);
  return now;
}

/** How long ago; the exact time on hover. */
export function Ago({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (!at) return <span className="text-ink-3">–</span>;
  return (
    <time dateTime={at} title={dateTime(at)} className="whitespace-nowrap">
      {ago(at, now)}
    </time>
  );
}

/** How long something took, or has been going on. */
export function Elapsed({ from, to }: { from: string | null | undefined; to?: string | null | undefined }) {
  const now = useNow(Boolean(from) && !to);
  if (!from) return <span className="text-ink-3">–</span>;
  const seconds = ((to ? new Date(to) : now).getTime() - new Date(from).getTime()) / 1000;
  return <span className="whitespace-nowrap tabular-nums">{duration(Math.max(0, to ? seconds : Math.floor(seconds)))}</span>;
}
