import { count } from "@/lib/format";
import { Panel } from "@/ui/Panel";
import type { Figures, Run } from "./documents";
import { intervalText, rangeOf, scoreText } from "./figures";
import { Interval } from "./Interval";

/** What a run has come to: the score, each scorer's, and the chance to be right with several answers. */
export function Scores({ results }: { results: NonNullable<Run["results"]> }) {
  const { score, scorers, answered, unanswered } = results;
  const range = rangeOf([score, ...scorers.map((one) => one.figures)]);
  return (
    <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_minmax(0,2fr)]">
      <Panel title="Score">
        <p className="flex flex-wrap items-baseline gap-x-2 tabular-nums">
          <span className="font-semibold text-xl tracking-tight">{scoreText(score.mean)}</span>
          {score.low !== null && (
            <span className="text-ink-3 text-sm">
              {scoreText(score.low)} to {scoreText(score.high)}, 95 % interval
            </span>
          )}
        </p>
        <div className="mt-2">
          <Interval figures={score} range={range} />
          <Scale range={range} />
        </div>
        {score.passAtK.length > 0 && (
          <dl className="mt-3 flex flex-wrap gap-x-6 gap-y-2">
            {score.passAtK.map(({ k, value }) => (
              <div key={k}>
                <dt className="text-ink-3 text-xs">pass@{k}</dt>
                <dd className="font-medium text-sm tabular-nums">{scoreText(value)}</dd>
              </div>
            ))}
          </dl>
        )}
        <p className="mt-3 text-ink-3 text-xs tabular-nums">
          {count(answered)} answered
          {unanswered > 0 && <span className="text-bad">, {count(unanswered)} not</span>}
        </p>
      </Panel>
      <Panel title="By scorer">
        <ul className="flex flex-col gap-3">
          {scorers.map(({ name, figures }) => (
            <Row key={name} name={name} figures={figures} range={range} />
          ))}
        </ul>
      </Panel>
    </div>
  );
}

function Scale({ range: [low, high] }: { range: readonly [number, number] }) {
  return (
    <div aria-hidden className="flex justify-between text-2xs text-ink-3 tabular-nums">
      <span>{scoreText(low)}</span>
      <span>{scoreText(high)}</span>
    </div>
  );
}

function Row({ name, figures, range }: { name: string; figures: Figures; range: readonly [number, number] }) {
  return (
    <li className="grid grid-cols-2 items-center gap-x-4 sm:grid-cols-[minmax(0,1fr)_minmax(0,1.5fr)_13rem]">
      <span className="min-w-0 break-words font-medium text-sm">{name}</span>
      <Interval figures={figures} range={range} className="max-sm:order-last max-sm:col-span-2" />
      <span className="text-right text-sm tabular-nums">
        {intervalText(figures)}
        {figures.missing > 0 && <span className="block text-warn text-xs">{count(figures.missing)} without a score</span>}
      </span>
    </li>
  );
}
