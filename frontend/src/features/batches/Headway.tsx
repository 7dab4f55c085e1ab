import { useMemo } from "react";
import { count, counted, dateTime, timeOfDay, usd } from "@/lib/format";
import { Chart, type ChartSeries } from "@/ui/chart";
import { cx } from "@/ui/cx";
import { Panel } from "@/ui/Panel";
import { Ago, Elapsed, useNow } from "@/ui/Time";
import { Bar } from "./Bar";
import type { Batch, Point } from "./documents";
import { doneOf, etaText, hasEnded, percent, rates, rateText, sentUntil, sharesOf } from "./figures";

/** How far it is, how fast it goes, and what it has used. */
export function Headway({ batch, points }: { batch: Batch; points: readonly Point[] }) {
  const { total, completed, failed, left } = sharesOf(batch.counts);
  const done = doneOf(batch);
  return (
    <Panel className="overflow-hidden" flush>
      <div className="grid lg:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="flex min-w-0 flex-col gap-4 p-4">
          <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
            <p className="flex items-baseline gap-2 tabular-nums">
              <span className="font-semibold text-xl tracking-tight">{total ? percent(done, total) : "–"}</span>
              <span className="text-ink-3 text-sm">
                {total
                  ? `${count(done)} of ${counted(total, "line")}${done < completed + failed ? " answered" : ""}`
                  : "Its lines are counted"}
              </span>
            </p>
            <Left batch={batch} />
          </div>
          <Bar counts={batch.counts} label="Lines that are done" tall />
          <dl className="grid grid-cols-3 gap-3 sm:grid-cols-6">
            <Figure name="Answered" value={count(completed)} dot="bg-good" />
            <Figure name="Failed" value={count(failed)} dot="bg-bad-solid" ink={failed > 0 ? "text-bad" : undefined} />
            <Figure name="Left" value={total ? count(left) : "–"} dot="bg-line-strong" />
            <Figure name="Tokens in" value={count(batch.usage.promptTokens)} />
            <Figure name="Tokens out" value={count(batch.usage.completionTokens)} />
            <Figure
              name="Cost"
              value={usd(batch.cost.amount)}
              title="The share of its lines in their replicas' time. It is told, not charged: the deployments are."
            />
          </dl>
        </div>
        <Speed batch={batch} points={points} />
      </div>
    </Panel>
  );
}

/** When it may be done; of one that has ended, how long it took. */
function Left({ batch }: { batch: Batch }) {
  const ended = hasEnded(batch.status);
  const now = useNow(!ended);
  if (ended)
    return (
      <span className="text-ink-3 text-sm">
        took <Elapsed from={batch.createdAt} to={batch.endedAt} />
      </span>
    );
  const eta = batch.status === "IN_PROGRESS" ? etaText(batch.progress.etaSeconds, now) : null;
  return (
    <span className="text-ink-3 text-sm">
      {eta && (
        <>
          about <span className="font-medium text-ink tabular-nums">{eta.left}</span> left{eta.at && `, done at ${eta.at}`} ·{" "}
        </>
      )}
      <span title={`What is not answered by then fails: ${dateTime(batch.expiresAt)}`}>
        expires <Ago at={batch.expiresAt} />
      </span>
    </span>
  );
}

interface FigureProps {
  name: string;
  value: string;
  dot?: string;
  ink?: string | undefined;
  title?: string;
}

function Figure({ name, value, dot, ink, title }: FigureProps) {
  return (
    <div className="min-w-0" title={title}>
      <dt className="flex items-center gap-1.5 truncate text-ink-3 text-xs">
        {dot && <span aria-hidden className={cx("size-2 rounded-full", dot)} />}
        {name}
      </dt>
      <dd className={cx("truncate font-medium text-base tabular-nums", ink)}>{value}</dd>
    </div>
  );
}

/** Lines a second, now and over its time. */
function Speed({ batch, points }: { batch: Batch; points: readonly Point[] }) {
  const works = batch.status === "IN_PROGRESS";
  const { perSecond, inFlight } = batch.progress;
  const until = sentUntil(batch);
  const series = useMemo<ChartSeries[]>(
    () => [{ key: "rate", label: "lines a second", color: "--live", ...rates(points, until) }],
    [points, until],
  );
  return (
    <div className="flex min-w-0 flex-col gap-1 border-line p-4 max-lg:border-t lg:border-l">
      <p className="flex items-baseline justify-between gap-3 text-sm tabular-nums">
        <span className="text-ink-3 text-xs">Lines a second</span>
        <span>
          {works && <span className="font-medium">{rateText(perSecond)}</span>}
          {works && <span className="text-ink-3"> · {count(inFlight)} under way</span>}
          {!works && hasEnded(batch.status) && <span className="text-ink-3">{meanOf(batch)}</span>}
        </span>
      </p>
      <Chart
        title="Lines a second"
        series={series}
        bare
        clock
        unit="time"
        formatStep={(at) => timeOfDay(new Date(at))}
        floor={0}
        height={104}
        empty={hasEnded(batch.status) ? "It was over before there was anything to draw." : "Drawn once lines are answered."}
      />
    </div>
  );
}

function meanOf({ status, counts, inProgressAt, finalizingAt, endedAt }: Batch): string {
  const to = finalizingAt ?? endedAt;
  if (status !== "COMPLETED" || inProgressAt === null || to === null) return "";
  const seconds = (Date.parse(to) - Date.parse(inProgressAt)) / 1000;
  return seconds > 0 ? `${rateText((counts.completed + counts.failed) / seconds)} in the mean` : "";
}
