import { counted, duration } from "@/lib/format";
import { Sparkline } from "@/ui/chart";
import { Stat } from "@/ui/Panel";
import type { MetricStore } from "./columns";
import { pointsTold, shownOf } from "./strip";

export interface StripJob {
  status: string;
  method: string;
  progress: { step: number; totalSteps: number | null; secondsPerStep: number | null; etaSeconds: number | null };
}

const SPARK = 60;

/** How well it learns, and how fast. */
export function Strip({ job, store, color }: { job: StripJob | undefined; store: MetricStore; color: string }) {
  const step = Math.max(job?.progress.step ?? 0, store.lastStep);
  const total = job?.progress.totalSteps ?? null;
  const pace = job?.progress.secondsPerStep ?? null;
  const running = job?.status === "RUNNING";
  const left = running && total !== null && pace !== null ? Math.max(0, total - step) * pace : (job?.progress.etaSeconds ?? null);
  return (
    <div className="grid grid-cols-2 gap-2 md:grid-cols-3 xl:grid-cols-5">
      {shownOf(store, job?.method ?? "GRPO").map(({ label, value, note, spark }) => (
        <Stat
          key={label}
          label={label}
          value={
            <span className="flex items-center justify-between gap-2">
              {job ? value : "–"}
              {job && spark && <Spark store={store} metric={spark} label={label} color={color} />}
            </span>
          }
          note={job ? note : ""}
        />
      ))}
      <Stat
        label="Time left"
        value={job ? (running ? (left === null ? "–" : duration(left)) : (ENDED[job.status] ?? "–")) : "–"}
        note={running ? "at the pace so far" : `after ${counted(step, "step")}`}
      />
      <Stat
        label="A step takes"
        value={pace === null ? "–" : duration(pace)}
        note={pace ? `${Math.round(3600 / pace).toLocaleString("en-US")} an hour` : ""}
      />
    </div>
  );
}

const ENDED: Record<string, string> = { COMPLETED: "Done", FAILED: "Failed", CANCELLED: "Cancelled", QUEUED: "Queued" };

function Spark({ store, metric, label, color }: { store: MetricStore; metric: string; label: string; color: string }) {
  const column = store.get(metric);
  const recent = column?.values.slice(Math.max(0, column.length - SPARK), column.length);
  if (!recent || recent.length < 2) return null;
  return <Sparkline label={pointsTold(recent.length, label)} values={recent} color={color} width={72} height={22} />;
}
