import { CircleAlert, CircleCheck, CircleDashed, CircleDot, CircleX } from "lucide-react";
import { dateTime, duration, timeOfDay } from "@/lib/format";
import { cx } from "@/ui/cx";
import { Empty, Skeleton } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Badge, type Mood } from "@/ui/Status";
import { Ago } from "@/ui/Time";
import { eventText } from "./eventText";
import type { JobEvent } from "./queries";

const ICONS: Record<Mood, typeof CircleDot> = {
  good: CircleCheck,
  warn: CircleAlert,
  bad: CircleX,
  live: CircleDot,
  idle: CircleDashed,
};
const INK: Record<Mood, string> = {
  good: "text-good",
  warn: "text-warn",
  bad: "text-bad",
  live: "text-live",
  idle: "text-idle",
};

/** The gap to the event before, where it says something. */
function since(event: JobEvent, before: JobEvent | undefined): string {
  if (!before) return "";
  const seconds = (new Date(event.at).getTime() - new Date(before.at).getTime()) / 1000;
  return seconds >= 0.1 ? `+${duration(seconds)}` : "";
}

/** What happened to a job, newest first, as it happens. */
export default function Events({ events, live }: { events: readonly JobEvent[]; live: boolean }) {
  const attempts = new Set(events.map((event) => event.attempt)).size;
  return (
    <Panel title="Events" actions={live && <Badge mood="live">Live</Badge>}>
      {events.length === 0 ? (
        live ? (
          <Skeleton className="h-40" />
        ) : (
          <Empty title="No events">Nothing has happened to it yet.</Empty>
        )
      ) : (
        <ol className="flex flex-col" aria-label="Events, newest first">
          {events
            .map((event, index) => ({ event, before: events[index - 1] }))
            .toReversed()
            .map(({ event, before }, index, all) => {
              const { text, detail, mood } = eventText(event);
              const Icon = ICONS[mood];
              return (
                <li key={event.cursor} className="flex gap-3">
                  <span className="flex w-4 flex-col items-center">
                    <Icon aria-hidden className={cx("mt-0.5 size-4 shrink-0", INK[mood])} />
                    {index < all.length - 1 && <span aria-hidden className="my-1 w-px flex-1 bg-line" />}
                  </span>
                  <div className="flex min-w-0 flex-1 flex-wrap items-start gap-x-3 pb-3">
                    <span className="min-w-0 flex-1 basis-52">
                      <span className="font-medium">{text}</span>
                      {attempts > 2 && event.attempt > 0 && (
                        <span className="ml-2 text-2xs text-ink-3">attempt {event.attempt}</span>
                      )}
                      {detail && <span className="block break-words text-ink-2 text-xs">{detail}</span>}
                    </span>
                    <span className="flex gap-3 pt-px text-ink-3 text-xs tabular-nums">
                      <span>{since(event, before)}</span>
                      <time dateTime={event.at} title={dateTime(event.at)}>
                        {timeOfDay(event.at)}
                      </time>
                      <span className="w-20 text-right max-sm:hidden">
                        <Ago at={event.at} />
                      </span>
                    </span>
                  </div>
                </li>
              );
            })}
        </ol>
      )}
    </Panel>
  );
}
