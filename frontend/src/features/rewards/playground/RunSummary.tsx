import { duration, measure } from "@/lib/format";
import { CodeBlock } from "@/ui/Copy";
import { ErrorNote, Note } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { summary } from "./runs";
import type { Runs } from "./useRun";

/** What the last run came to: over all samples, and what the function printed. */
export function RunSummary({ runs: { run, before, error } }: { runs: Runs }) {
  const now = run && summary(run.test);
  const was = before && summary(before.test);
  const whole = run?.test.errors.filter((one) => one.sample === null) ?? [];
  return (
    <Panel title="Result" flush>
      <div aria-live="polite">
        {error && (
          <ErrorNote className="m-2" hint={error.hint}>
            {error.message}
          </ErrorNote>
        )}
        {!now && !error && <p className="px-3 py-3 text-ink-3 text-sm">Run it to see the reward of each sample.</p>}
        {now && run && (
          <dl className="grid grid-cols-2 gap-px overflow-hidden bg-line sm:grid-cols-4">
            <Figure name="Mean reward" value={measure(now.mean)} was={was && measure(was.mean)} />
            <Figure name="Spread" value={measure(now.std)} was={was && measure(was.std)} />
            <Figure name="None" value={`${now.none} of ${run.test.rewards.length}`} was={was && String(was.none)} />
            <Figure
              name="Took"
              value={duration(run.test.durationMs / 1000)}
              was={was && duration((before?.test.durationMs ?? 0) / 1000)}
            />
          </dl>
        )}
        {whole.map((one) => (
          <ErrorNote key={one.message} className="m-2">
            <span className="whitespace-pre-wrap">
              {one.line !== null && `Line ${one.line}: `}
              {one.message}
            </span>
          </ErrorNote>
        ))}
        {now?.std === 0 && now.none === 0 && run && run.test.rewards.length > 1 && (
          <Note mood="warn" className="m-2">
            Every sample got the same reward: a group like this teaches nothing.
          </Note>
        )}
      </div>
      {run?.test.stdout && (
        <div className="border-line border-t p-2">
          <div className="mb-1 text-ink-3 text-xs">Printed</div>
          <CodeBlock code={run.test.stdout} label="What the function printed" />
        </div>
      )}
    </Panel>
  );
}

function Figure({ name, value, was }: { name: string; value: string; was: string | null | undefined }) {
  return (
    <div className="bg-surface px-3 py-2">
      <dt className="text-ink-3 text-xs">{name}</dt>
      <dd className="font-semibold text-base tabular-nums">
        {value}
        {was && was !== value && <span className="ml-1.5 font-normal text-ink-3 text-xs">was {was}</span>}
      </dd>
    </div>
  );
}
