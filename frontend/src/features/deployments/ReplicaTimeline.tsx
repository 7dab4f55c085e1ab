import { timeOfDay, words } from "@/lib/format";
import { cx } from "@/ui/cx";
import { Status } from "@/ui/Status";
import { Elapsed, useNow } from "@/ui/Time";
import { type Deployment, isActive } from "./queries";
import { timeline } from "./timeline";

const BARS: Record<string, string> = {
  running: "bg-good",
  starting: "bg-live animate-pulse",
  failed: "bg-bad",
  stopped: "bg-line-strong",
};
const SHOWN = 12;

/** Each replica as a bar over the life of the deployment. */
export function ReplicaTimeline({ deployment }: { deployment: Deployment }) {
  const now = useNow(isActive(deployment.status));
  const { from, to, bars } = timeline(deployment, now.getTime());
  if (bars.length === 0) return <p className="text-ink-3 text-sm">No replica has been started yet.</p>;
  return (
    <div>
      <ul className="flex flex-col gap-2">
        {bars.slice(0, SHOWN).map((bar) => (
          <li key={bar.id} className="grid grid-cols-[6.5rem_minmax(0,1fr)_5rem] items-center gap-3 text-xs">
            <Status status={bar.status === "running" ? "ready" : bar.status} />
            <div
              className="relative h-2.5 rounded-full bg-sunken"
              title={`${words(bar.status)} since ${timeOfDay(bar.startedAt)}${bar.endedAt ? ` until ${timeOfDay(bar.endedAt)}` : ""}`}
            >
              <div
                className={cx("absolute inset-y-0 min-w-1 rounded-full", BARS[bar.status] ?? "bg-line-strong")}
                style={{ left: `${bar.from * 100}%`, width: `${Math.max(0, bar.to - bar.from) * 100}%` }}
              />
            </div>
            <span className="text-right text-ink-2">
              <Elapsed from={bar.startedAt} to={bar.endedAt} />
            </span>
            {bar.failure && <p className="col-span-3 break-words text-bad">{bar.failure}</p>}
          </li>
        ))}
      </ul>
      <div aria-hidden className="mt-1.5 grid grid-cols-[6.5rem_minmax(0,1fr)_5rem] gap-3 text-2xs text-ink-3">
        <span />
        <span className="flex justify-between tabular-nums">
          <span>{timeOfDay(new Date(from))}</span>
          <span>{timeOfDay(new Date(to))}</span>
        </span>
      </div>
      {bars.length > SHOWN && <p className="mt-1 text-ink-3 text-xs">and {bars.length - SHOWN} earlier ones</p>}
    </div>
  );
}
