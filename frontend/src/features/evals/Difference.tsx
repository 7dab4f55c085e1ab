import { Link } from "@tanstack/react-router";
import { count, counted } from "@/lib/format";
import type { ResultOf } from "@/lib/graphql";
import { Panel } from "@/ui/Panel";
import type { ComparisonQuery, Run } from "./documents";
import { differenceText, intervalText, nameOf, rangeOf } from "./figures";
import { Interval } from "./Interval";

type Paired = ResultOf<typeof ComparisonQuery>["compareEvalRuns"]["figures"];

export interface Head {
  a: Run;
  b: Run;
  of: { id: string; name: string };
  figures: Paired;
}

/** What the interval of the difference allows to be said. */
export function verdict({ mean, low, high }: Pick<Paired, "mean" | "low" | "high">): string {
  if (mean === null) return "They have no row in common that both have a score for.";
  if (low === null || high === null) return "Too few rows for an interval.";
  if (low > 0) return "B is better: the interval lies above 0.";
  if (high < 0) return "B is worse: the interval lies below 0.";
  return "No difference is shown: the interval holds 0.";
}

/** Both runs, and what lies between them, row by row. */
export function Difference({ head: { a, b, figures } }: { head: Head }) {
  const { mean, low, high, rows, better, worse, same } = figures;
  const scores = [a, b].flatMap(({ results }) => (results ? [results.score] : []));
  const range = rangeOf(scores);
  const most = Math.max(0.1, ...[mean, low, high].map((one) => Math.abs(one ?? 0))) * 1.1;
  return (
    <div className="grid items-start gap-4 lg:grid-cols-2">
      <Panel title="Scores">
        <ul className="flex flex-col gap-3">
          {([a, b] as const).map((run, index) => (
            <li key={index === 0 ? "a" : "b"} className="flex flex-col gap-1">
              <span className="flex flex-wrap items-baseline justify-between gap-x-3 text-sm">
                <span className="min-w-0 break-words">
                  <span className="text-ink-3">{index === 0 ? "A" : "B"} </span>
                  <Link to="/evals/runs/$id" params={{ id: run.id }} className="font-medium underline">
                    {nameOf(run)}
                  </Link>
                </span>
                <span className="tabular-nums">{run.results ? intervalText(run.results.score) : "no score"}</span>
              </span>
              {run.results && <Interval figures={run.results.score} range={range} />}
            </li>
          ))}
        </ul>
      </Panel>
      <Panel title="Difference, B less A">
        <p className="flex flex-wrap items-baseline gap-x-2 tabular-nums">
          <span className="font-semibold text-xl tracking-tight">{differenceText(mean)}</span>
          {low !== null && high !== null && (
            <span className="text-ink-3 text-sm">
              {differenceText(low)} to {differenceText(high)}, 95 % interval
            </span>
          )}
        </p>
        <Interval figures={figures} range={[-most, most]} zero className="mt-1" />
        <p className="mt-1 text-ink-2 text-xs">
          {verdict(figures)} {counted(rows, "row")} compared.
        </p>
        <dl className="mt-3 grid grid-cols-3 gap-3">
          {(
            [
              ["Better", better, "text-good"],
              ["Worse", worse, "text-bad"],
              ["Same", same, "text-ink"],
            ] as const
          ).map(([name, value, ink]) => (
            <div key={name}>
              <dt className="text-ink-3 text-xs">{name}</dt>
              <dd className={`font-medium text-sm tabular-nums ${value > 0 ? ink : "text-ink-3"}`}>{count(value)}</dd>
            </div>
          ))}
        </dl>
      </Panel>
    </div>
  );
}
