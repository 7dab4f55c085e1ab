import { counted, duration, measure } from "@/lib/format";
import { Sparkline } from "@/ui/chart";
import { Stat } from "@/ui/Panel";
import type { MetricStore } from "./columns";

export interface StripJob {
  status: string;
  progress: { step: number; totalSteps: number | null; secondsPerStep: number | null; etaSeconds: number | null };
}

const SPARK = 60;
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;

/** How well it learns, and how fast. */
export function Strip({ job, store, color }: { job: StripJob | undefined; store: MetricStore; color: string }) {
  const step = Math.max(job?.progress.step ?? 0, store.lastStep);
  const total = job?.progress.totalSteps ?? null;
  const pace = job?.progress.secondsPerStep ?? null;
  const running = job?.status === "RUNNING";
  const left = running && total !== null && pace !== null ? Math.max(0, total - step) * pace : (job?.progress.etaSeconds ?? null);
  const reward = store.get("reward");
  const recent = reward ? reward.values.slice(Math.max(0, reward.length - SPARK), reward.length) : undefined;
  const best = reward ? most(reward.values, reward.length) : null;
  const silent = store.recent("frac_reward_zero_std");
  const length = store.recent("completions/mean_length");
  const cut = store.recent("completions/clipped_ratio");
  return (
    <div className="grid grid-cols-2 gap-2 md:grid-cols-3 xl:grid-cols-5">
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
        label="Groups without signal"
        value={silent === null ? "–" : percent(silent)}
        note={silent === null ? "" : "all rewards of a group alike"}
      />
      <Stat
        label="Mean length"
        value={length === null ? "–" : measure(length)}
        note={cut === null ? "" : `tokens, ${percent(cut)} cut off`}
      />
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

function most(values: Float64Array, length: number): number | null {
  let found: number | null = null;
  for (let index = 0; index < length; index += 1)
    if (found === null || (values[index] as number) > found) found = values[index] as number;
  return found;
}
