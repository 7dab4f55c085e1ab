import { Table2, Waypoints } from "lucide-react";
import { type PointerEvent, useEffect, useRef, useState } from "react";
import { words } from "@/lib/format";
import { IconButton } from "@/ui/Button";
import { type Range, useCrosshair } from "@/ui/chart";
import { cx } from "@/ui/cx";
import { Status } from "@/ui/Status";
import { Elapsed } from "@/ui/Time";
import { LaneBar, LOOKS } from "./LaneBar";
import { clockOf } from "./LoadCharts";
import { ReplicaTable } from "./ReplicaTable";
import { type Lane, lanes, type PhaseChange, type Replica } from "./timeline";

const SHOWN = 12;
const GRID = "grid grid-cols-[5.5rem_minmax(0,1fr)] items-center gap-x-3 sm:grid-cols-[10rem_minmax(0,1fr)_5rem]";

interface Props {
  replicas: readonly Replica[];
  span: Range;
  now: number;
  changes: readonly PhaseChange[];
}

/** Each replica as a lane of its phases over the time that is shown, or all of them as a table. */
export function ReplicaTimeline({ replicas, span, now, changes }: Props) {
  const [asTable, setAsTable] = useState(false);
  const [all, setAll] = useState(false);
  const found = lanes(replicas, span, now, changes);
  // The newest are those that matter; they stand below the ones they came after.
  const shown = all ? found : found.slice(-SHOWN);
  return (
    <div className="flex flex-col gap-2">
      <div className="flex min-h-7 items-center gap-3">
        <Legend lanes={shown} />
        <IconButton
          className="ml-auto"
          label={asTable ? "Show replicas as a timeline" : "Show replicas as a table"}
          aria-pressed={asTable}
          onClick={() => setAsTable(!asTable)}
        >
          {asTable ? <Waypoints aria-hidden className="size-3.5" /> : <Table2 aria-hidden className="size-3.5" />}
        </IconButton>
      </div>
      {asTable ? (
        <ReplicaTable replicas={replicas} />
      ) : shown.length === 0 ? (
        <p className="py-3 text-ink-3 text-sm">
          {replicas.length === 0 ? "No replica has been started yet." : "No replica lived in this time."}
        </p>
      ) : (
        <Lanes lanes={shown} span={span} />
      )}
      {!asTable && found.length > SHOWN && (
        <button type="button" className="self-start rounded-sm text-accent text-xs hover:underline" onClick={() => setAll(!all)}>
          {all ? "Only the newest" : `and ${found.length - SHOWN} earlier ones`}
        </button>
      )}
    </div>
  );
}

function Lanes({ lanes: shown, span }: { lanes: readonly Lane[]; span: Range }) {
  const ground = useRef<HTMLDivElement>(null);
  const line = useRef<HTMLDivElement>(null);
  const crosshair = useCrosshair();
  const [from, to] = span;
  useEffect(
    () =>
      crosshair?.subscribe((at) => {
        if (!line.current) return;
        const inside = at !== null && at >= from && at <= to;
        line.current.style.opacity = inside ? "1" : "0";
        if (inside) line.current.style.left = `${((at - from) / (to - from)) * 100}%`;
      }),
    [crosshair, from, to],
  );
  const move = (event: PointerEvent) => {
    const box = ground.current?.getBoundingClientRect();
    if (!box || box.width === 0) return;
    const share = (event.clientX - box.left) / box.width;
    crosshair?.move(share >= 0 && share <= 1 ? from + share * (to - from) : null);
  };
  return (
    <div className="relative" onPointerMove={move} onPointerLeave={() => crosshair?.move(null)}>
      <ul className="flex flex-col gap-1.5">
        {shown.map((lane) => (
          <LaneRow key={lane.id} lane={lane} />
        ))}
      </ul>
      <div aria-hidden className={cx(GRID, "pointer-events-none absolute inset-0")}>
        <span />
        <div ref={ground} className="relative h-full">
          <div ref={line} className="absolute inset-y-0 w-px bg-line-strong opacity-0" />
        </div>
        <span />
      </div>
      <div aria-hidden className={cx(GRID, "mt-1.5 text-2xs text-ink-3 tabular-nums")}>
        <span />
        <span className="flex justify-between">
          {[0, 0.5, 1].map((share) => (
            <span key={share}>{clockOf(span)(from + share * (to - from))}</span>
          ))}
        </span>
      </div>
    </div>
  );
}

function LaneRow({ lane }: { lane: Lane }) {
  const { replica } = lane;
  return (
    <li className={cx(GRID, "text-xs")}>
      <span className="flex min-w-0 items-center gap-2" title={replica.id}>
        <Status status={replica.status === "running" ? "ready" : replica.status} />
        <span className="text-ink-3 max-sm:hidden">
          v{lane.version} · <span className="font-mono text-2xs">{replica.id.slice(-4)}</span>
        </span>
      </span>
      <LaneBar lane={lane} />
      <span className="text-right text-ink-2 max-sm:hidden">
        <Elapsed from={replica.createdAt} to={replica.endedAt} />
      </span>
      {replica.failure && (
        <p className="col-span-full sm:col-start-2 line-clamp-2 break-words text-bad" title={replica.failure}>
          {replica.failure}
        </p>
      )}
    </li>
  );
}

/** The colours that are there, and what they mean. */
function Legend({ lanes: shown }: { lanes: readonly Lane[] }) {
  const there = new Set(shown.flatMap((lane) => lane.segments.map((one) => one.phase)));
  return (
    <ul aria-hidden className="flex flex-wrap gap-x-3 gap-y-1 text-2xs text-ink-3">
      {Object.entries(LOOKS)
        .filter(([phase]) => there.has(phase as never))
        .map(([phase, look]) => (
          <li key={phase} className="flex items-center gap-1.5">
            <span className={cx("h-2 w-3 rounded-xs", look)} />
            {words(phase)}
          </li>
        ))}
    </ul>
  );
}
