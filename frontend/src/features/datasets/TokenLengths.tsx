import { sentence } from "@/lib/errors";
import { count } from "@/lib/format";
import type { MethodName } from "@/lib/methods";
import { useSettled } from "@/lib/typed";
import { cx } from "@/ui/cx";
import { ErrorNote, Skeleton } from "@/ui/Empty";
import { DatasetTokensQuery, type TokenLengths as Lengths } from "./documents";
import { usePatientQuery } from "./usePatientQuery";

interface TokenLengthsProps {
  datasetId: string;
  baseModel: string;
  /** As which method reads the rows; undefined is the first that all of them serve. */
  method?: MethodName;
  /** The limit of a job's prompts, or of its rows, in tokens. */
  limit: number | null;
  /** How many rows there are, to say which share is too long. */
  rowCount: number | null;
}

/** How long the rows are for a model, as its own tokenizer and template count them. */
export function TokenLengths({ datasetId, baseModel: named, method, limit: given, rowCount }: TokenLengthsProps) {
  // A name that is still being typed is no model, and counting takes the server seconds.
  const baseModel = useSettled(named);
  const limit = useSettled(given);
  const { data, error, isWaiting, retry } = usePatientQuery({
    query: DatasetTokensQuery,
    variables: { id: datasetId, baseModel, method: method ?? null, ...limits(method, limit) },
    pause: !baseModel,
    requestPolicy: "cache-first",
  });
  if (!baseModel) return <p className="text-ink-3 text-sm">Choose a base model to count the tokens of the rows.</p>;
  if (error) return <ErrorNote onRetry={retry}>{sentence(error)}</ErrorNote>;
  const tokens = data?.dataset?.statistics.tokens;
  if (!tokens) {
    return (
      <div aria-busy={isWaiting} className="flex flex-col gap-2">
        <Skeleton className="h-3" />
        <p className="text-ink-3 text-xs">Counting with the tokenizer of {baseModel}…</p>
      </div>
    );
  }
  return <Bar tokens={tokens} rowCount={rowCount} />;
}

/** Which limit it is: of GRPO the prompt has one, of SFT and DPO the whole row. */
const limits = (method: MethodName | undefined, limit: number | null) =>
  method === "SFT" || method === "DPO"
    ? { maxPromptLength: null, maxLength: limit }
    : { maxPromptLength: limit, maxLength: null };

const MARKS = ["p50", "p90", "p95", "p99"] as const;

const NOUNS: Record<MethodName, string> = { GRPO: "prompt", SFT: "row", DPO: "pair", SFT_VIDEO_GEN: "caption" };

function Bar({ tokens, rowCount }: { tokens: Lengths; rowCount: number | null }) {
  const limit = tokens.maxPromptLength ?? tokens.maxLength;
  const noun = NOUNS[tokens.method];
  const over = Number(tokens.overLimit ?? 0);
  // A limit far beyond the longest prompt would press everything into the left edge.
  const end = Math.max(1, tokens.max, limit !== null && limit <= tokens.max * 2 ? limit : 0);
  const place = (value: number) => `${Math.min(100, (value / end) * 100)}%`;
  return (
    <figure className="flex flex-col gap-1.5">
      <div className="relative h-3 rounded-sm bg-hover" aria-hidden>
        <div
          className="absolute inset-y-0 rounded-sm bg-live-soft"
          style={{ left: place(tokens.min), right: `calc(100% - ${place(tokens.max)})` }}
        />
        <div
          className="absolute inset-y-0 rounded-sm bg-live/50"
          style={{ left: place(tokens.min), right: `calc(100% - ${place(tokens.p90)})` }}
        />
        {MARKS.map((mark) => (
          <div key={mark} className="absolute inset-y-0 w-px bg-live" style={{ left: place(tokens[mark]) }} />
        ))}
        {limit !== null && limit <= end && (
          <div className={cx("-inset-y-1 absolute w-0.5", over ? "bg-bad" : "bg-ink-2")} style={{ left: place(limit) }} />
        )}
      </div>
      <dl className="flex flex-wrap gap-x-4 gap-y-0.5 text-xs tabular-nums">
        {(["min", "mean", ...MARKS, "max"] as const).map((name) => (
          <div key={name} className="flex gap-1">
            <dt className="text-ink-3">{name}</dt>
            <dd className="font-medium">{count(name === "mean" ? Math.round(tokens.mean) : tokens[name])}</dd>
          </div>
        ))}
      </dl>
      {limit !== null && (
        <figcaption className={cx("text-xs", over ? "text-bad" : "text-ink-2")}>
          {over
            ? `${count(over)} of ${rowCount === null ? "the" : count(rowCount)} ${noun}s are longer than ${count(limit)} tokens: a job leaves them out.`
            : `No ${noun} is longer than ${count(limit)} tokens.`}
        </figcaption>
      )}
    </figure>
  );
}
