import { duration, timeOfDay, words } from "@/lib/format";
import { cx } from "@/ui/cx";
import type { Lane, Phase, Segment } from "./timeline";

export const LOOKS: Record<Phase, string> = {
  waiting: "bg-line-strong/35",
  starting: "bg-live/60",
  pulling: "bg-live/35",
  loading: "bg-live/60",
  warming: "bg-live/85",
  running: "bg-good",
  draining: "bg-warn/70",
};

/** From when to when it was what. */
const said = ({ phase, startedAt, endedAt }: Segment): string => {
  const begun = `${words(phase)} since ${timeOfDay(new Date(startedAt))}`;
  return endedAt === null
    ? begun
    : `${words(phase)} ${timeOfDay(new Date(startedAt))}, for ${duration((endedAt - startedAt) / 1000)}`;
};

const told = ({ replica, segments, version, end }: Lane): string =>
  [
    `Replica ${replica.id.slice(-4)}, version ${version}`,
    ...segments.map(said),
    ...(end && replica.endedAt ? [`${end.failed ? "Failed" : "Ended"} ${timeOfDay(replica.endedAt)}`] : []),
    ...(replica.failure ? [replica.failure] : replica.stopReason ? [replica.stopReason] : []),
  ].join(". ");

/** The phases of one replica, side by side; what each was shows on hover, and all of it is read aloud. */
export function LaneBar({ lane }: { lane: Lane }) {
  return (
    <div role="img" aria-label={told(lane)} className="relative h-3 rounded-sm bg-sunken">
      {lane.segments.map((one) => (
        <span
          key={one.phase + one.startedAt}
          title={said(one)}
          className={cx(
            "absolute inset-y-0 min-w-0.5 first:rounded-l-sm",
            LOOKS[one.phase],
            one.endedAt === null && "rounded-r-sm",
          )}
          style={{ left: `${one.from * 100}%`, width: `${Math.max(0, one.to - one.from) * 100}%` }}
        />
      ))}
      {lane.end && (
        <span
          title={lane.end.failed ? `Failed. ${lane.replica.failure ?? ""}` : `Ended. ${lane.replica.stopReason ?? ""}`}
          className={cx(
            "absolute -inset-y-0.5 w-0.75 -translate-x-1/2 rounded-full",
            lane.end.failed ? "bg-bad" : "bg-line-strong",
          )}
          style={{ left: `${lane.end.share * 100}%` }}
        />
      )}
    </div>
  );
}
