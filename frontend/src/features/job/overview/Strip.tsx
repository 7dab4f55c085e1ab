import { duration, measure, usd } from "@/lib/format";
import { Sparkline } from "@/ui/chart";
import { Stat } from "@/ui/Panel";
import { Progress } from "@/ui/Progress";
import type { MetricStore } from "./columns";

export interface StripJob {
  status: string;
  progress: { step: number; totalSteps: number | null; secondsPerStep: number | null; etaSeconds: number | null };
  cost: { total: { amount: string } };
  maxCost: { amount: string } | null;
}

const SPARK = 60;

/** How far it is, how fast, how well, and for how much. */
export function Strip({ job, store, color }: { job: StripJob | undefined; store: MetricStore; color: string }) {
  const step = Math.max(job?.progress.step ?? 0, store.lastStep);
  const total = job?.progress.totalSteps ?? null;
  const pace = job?.progress.secondsPerStep ?? null;
  const running = job?.status === "RUNNING";
  const left = running && total !== null && pace !== null ? Math.max(0, total - step) * pace : (job?.progress.etaSeconds ?? null);
  const reward = store.get("reward");
  const recent = reward ? reward.values.slice(Math.max(0, reward.length - SPARK), reward.length) : undefined;
  const best = reward ? most(reward.values, reward.length) : null;
  return (
    <div className="grid grid-cols-2 gap-2 md:grid-cols-3 xl:grid-cols-5">
      <Stat
        label="Step"
        value={job ? `${step}${total === null ? "" : ` / ${total}`}` : "–"}
        note={<Progress className="mt-2" label="Steps done" fraction={job && total ? step / total : job ? null : 0} />}
      />
      <Stat
        label="Time left"
        value={job ? (running ? (left === null ? "–" : duration(left)) : (ENDED[job.status] ?? "–")) : "–"}
        note={running ? "at the pace so far" : ""}
      />
      <Stat
        label="A step takes"
        value={pace === null ? "–" : duration(pace)}
        note={pace ? `${Math.round(3600 / pace).toLocaleString("en-US")} an hour` : ""}
      />
      <Stat
        label="Reward"
        value={
          <span className="flex items-center justify-between gap-2">
            {measure(store.recent("reward"))}
            {recent && recent.length > 1 && (
              <Sparkline
                label={`The last ${recent.length} points of reward`}
                values={recent}
                color={color}
                width={72}
                height={22}
              />
            )}
          </span>
        }
        note={best === null ? "" : `best ${measure(best)}`}
      />
      <Stat
        className="max-md:col-span-2"
        label="Cost so far"
        value={job ? usd(job.cost.total.amount) : "–"}
        note={
          job?.maxCost
            ? `of at most ${usd(job.maxCost.amount)}`
            : job && step > 0
              ? `${usd(Number(job.cost.total.amount) / step)} a step`
              : ""
        }
      />
    </div>
  );
}

const ENDED: Record<string, string> = { COMPLETED: "Done", FAILED: "Failed", CANCELLED: "Cancelled", QUEUED: "Queued" };

function most(values: Float64Array, length: number): number | null {
  let found: number | null = null;
  for (let index = 0; index < length; index += 1)
    if (found === null || (values[index] as number) > found) found = values[index] as number;
  return found;
}
