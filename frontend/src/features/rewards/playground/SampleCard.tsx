import { Copy, Trash2 } from "lucide-react";
import type { ReactNode, TextareaHTMLAttributes } from "react";
import { measure } from "@/lib/format";
import { IconButton } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { ScoreBars } from "@/ui/ScoreBars";
import { Badge } from "@/ui/Status";
import type { Scored } from "./runs";
import { columnsProblem, type Sample } from "./samples";

interface SampleCardProps {
  index: number;
  sample: Sample;
  scored: Scored | undefined;
  /** What its reward changed by since the run before. */
  change: number | null;
  /** Edited since it was scored. */
  old: boolean;
  scale: number;
  onChange: (part: Partial<Sample>) => void;
  onDuplicate: () => void;
  onRemove: () => void;
}

/** One sample: what is scored, and what it got. */
export function SampleCard({ index, sample, scored, change, old, scale, onChange, onDuplicate, onRemove }: SampleCardProps) {
  const name = `Sample ${index + 1}`;
  const problem = columnsProblem(sample.columns);
  return (
    <li className="rounded-md border border-line bg-surface">
      <div className="flex min-h-9 items-center gap-2 border-line border-b px-2.5">
        <span className="font-medium text-ink-3 text-xs tabular-nums">{index + 1}</span>
        {sample.label && <Badge>{sample.label}</Badge>}
        <span className="flex-1" />
        <Reward scored={scored} change={change} old={old} />
        <span className="flex items-center">
          <IconButton label={`Duplicate ${name}`} onClick={onDuplicate}>
            <Copy aria-hidden className="size-3.5" />
          </IconButton>
          <IconButton label={`Remove ${name}`} onClick={onRemove}>
            <Trash2 aria-hidden className="size-3.5" />
          </IconButton>
        </span>
      </div>
      <div className="grid gap-x-3 gap-y-2 p-2.5 sm:grid-cols-2">
        <Text label="Prompt" name={`${name}, prompt`} value={sample.prompt} onChange={(prompt) => onChange({ prompt })} />
        <Text
          label="Completion"
          name={`${name}, completion`}
          value={sample.completion}
          onChange={(completion) => onChange({ completion })}
        />
        <Text
          label="Columns"
          name={`${name}, columns as JSON`}
          value={sample.columns}
          placeholder={'{"answer": "42"}'}
          invalid={problem !== null}
          rows={1}
          onChange={(columns) => onChange({ columns })}
        />
        {scored && (
          <div className={cx("self-end", old && "opacity-60")}>
            <ScoreBars scores={scored.components} scale={scale} />
          </div>
        )}
      </div>
      {problem && <p className="px-2.5 pb-2 text-bad text-xs">{problem}</p>}
      {scored?.errors.map((error) => (
        <p key={error.message} className="whitespace-pre-wrap break-words border-line border-t px-2.5 py-1.5 text-bad text-xs">
          {error.line !== null && <span className="font-medium">Line {error.line}: </span>}
          {error.message}
        </p>
      ))}
    </li>
  );
}

function Reward({ scored, change, old }: { scored: Scored | undefined; change: number | null; old: boolean }) {
  if (!scored) return <span className="text-ink-3 text-xs">not run</span>;
  return (
    <span className="flex items-baseline gap-1.5">
      {old && <span className="text-ink-3 text-xs">edited since</span>}
      {change !== null && Math.abs(change) > 1e-9 && (
        <span className={cx("text-xs tabular-nums", change > 0 ? "text-good" : "text-bad")} title="Since the run before">
          {change > 0 ? "▲" : "▼"} {measure(Math.abs(change))}
        </span>
      )}
      {scored.reward === null ? (
        <Badge mood={scored.errors.length || scored.unscored ? "bad" : "warn"}>
          {scored.errors.length ? "error" : scored.unscored ? "not scored" : "None: left out"}
        </Badge>
      ) : (
        <span className="font-semibold text-base tabular-nums">{measure(scored.reward)}</span>
      )}
    </span>
  );
}

interface TextProps extends Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, "onChange"> {
  label: ReactNode;
  name: string;
  value: string;
  invalid?: boolean;
  onChange: (value: string) => void;
}

function Text({ label, name, value, invalid, onChange, rows = 2, ...rest }: TextProps) {
  return (
    <label className="flex min-w-0 flex-col gap-0.5 text-2xs text-ink-3">
      {label}
      <textarea
        aria-label={name}
        aria-invalid={invalid || undefined}
        value={value}
        rows={rows}
        spellCheck={false}
        onChange={(event) => onChange(event.target.value)}
        className="field-sizing-content max-h-64 w-full resize-y rounded-sm border border-line bg-sunken px-2 py-1 font-mono text-ink text-xs leading-5 aria-invalid:border-bad"
        {...rest}
      />
    </label>
  );
}
