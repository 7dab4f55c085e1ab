// biome-ignore-all lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
import { sentence } from "@/lib/errors";
import { count } from "@/lib/format";
import { useSettled } from "@/lib/typed";
import { ErrorNote, Note, Skeleton } from "@/ui/Empty";
import { RenderedRowsQuery } from "../documents";
import { usePatientQuery } from "../usePatientQuery";

/** A prompt as the model reads it: its chat template, with the special tokens seen. */
export function Rendered({ datasetId, row, baseModel: named }: { datasetId: string; row: number; baseModel: string }) {
  const baseModel = useSettled(named);
  const { data, error, isWaiting, retry } = usePatientQuery({
    query: RenderedRowsQuery,
    variables: { id: datasetId, baseModel, first: 1, offset: row },
    pause: !baseModel,
    requestPolicy: "cache-first",
  });
  const found = data?.dataset?.rendered[0];
  if (!baseModel) return <Note>Choose a base model to see the prompt as it reads it.</Note>;
  if (error) return <ErrorNote onRetry={retry}>{sentence(error)}</ErrorNote>;
  if (!found || Number(found.number) !== row) {
    return (
      <div className="flex flex-col gap-2" aria-busy={isWaiting}>
        <Skeleton className="h-24" />
        <p className="text-ink-3 text-xs">Rendering with the model's own tokenizer and template…</p>
      </div>
    );
  }
  if (found.problem) return <ErrorNote>{found.problem}</ErrorNote>;
  return (
    <div className="flex min-w-0 flex-col gap-2">
      <p className="text-ink-2 text-xs">
        <span className="font-semibold text-ink tabular-nums">{count(found.tokens)}</span>{" "}
        {found.tokens === 1 ? "token" : "tokens"}, the chat template included
      </p>
      <pre
        role="region"
        aria-label="The prompt as the model reads it"
        tabIndex={0}
        className="max-h-96 overflow-auto whitespace-pre-wrap break-words rounded-md border border-line bg-sunken p-3 font-mono text-xs leading-5"
      >
        {found.pieces.map((piece, index) =>
          piece.special ? (
            <mark
              // biome-ignore lint/suspicious/noArrayIndexKey: pieces of a text are known by their place
              key={index}
              title="A special token"
              className="rounded-sm bg-accent-soft px-0.5 text-accent"
            >
              {piece.text}
            </mark>
          ) : (
            // biome-ignore lint/suspicious/noArrayIndexKey: pieces of a text are known by their place
            <span key={index} title={`${count(piece.tokens)} ${piece.tokens === 1 ? "token" : "tokens"}`}>
              {piece.text}
            </span>
          ),
        )}
      </pre>
      {found.truncated && <p className="text-ink-3 text-xs">The end is left out: it is longer than what is shown.</p>}
    </div>
  );
}
