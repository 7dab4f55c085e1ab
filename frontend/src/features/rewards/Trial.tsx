import { duration, measure } from "@/lib/format";
import { Note } from "@/ui/Empty";
import { ScoreBars } from "@/ui/ScoreBars";
import type { Reward } from "./documents";

type Found = NonNullable<Reward["trial"]>;

/** What the contract test found at the upload. */
export function Trial({ trial }: { trial: Found }) {
  const scale = Math.max(0, ...trial.components.flatMap((one) => one.values.map((value) => Math.abs((value ?? 0) * one.weight))));
  return (
    <div className="flex flex-col gap-2">
      <p className="text-ink-3 text-xs">
        On {trial.samples === "GIVEN" ? "the samples that came with it" : "made-up completions"}, as{" "}
        {trial.prompts === "MESSAGES" ? "messages" : "text"}
        {trial.durationMs !== null && `, in ${duration(trial.durationMs / 1000)}`}.
      </p>
      {trial.rewards ? (
        <ol className="flex flex-col divide-y divide-line">
          {trial.rewards.map((reward, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: samples of a test that is over never move
            <li key={index} className="grid grid-cols-[1.5rem_minmax(0,1fr)_3rem] items-center gap-2 py-1.5 text-xs">
              <span className="text-ink-3 tabular-nums">{index + 1}</span>
              <ScoreBars
                scale={scale}
                scores={trial.components.map(({ name, weight, values }) => ({ name, weight, value: values[index] ?? null }))}
              />
              <span className="col-start-3 text-right font-medium tabular-nums">
                {reward === null ? "None" : measure(reward)}
              </span>
            </li>
          ))}
        </ol>
      ) : (
        <p className="text-ink-2 text-sm">It needs rows of its own dataset, and was not scored.</p>
      )}
      {trial.warnings.map((one) => (
        <Note key={`${one.line} ${one.message}`} mood="warn">
          {one.line !== null && <span className="font-medium">Line {one.line}: </span>}
          {one.message}
        </Note>
      ))}
    </div>
  );
}
