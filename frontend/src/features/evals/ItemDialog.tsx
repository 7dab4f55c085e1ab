import { count, duration } from "@/lib/format";
import { CodeBlock } from "@/ui/Copy";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Facts } from "@/ui/Panel";
import type { Item } from "./documents";
import { scoreText } from "./figures";

const WRAPPED = "whitespace-pre-wrap [&_pre]:whitespace-pre-wrap [&_pre]:break-words";

export const titleOf = (item: Pick<Item, "itemIndex">): string => `Row ${count(item.itemIndex + 1)}`;

/** A conversation is read more easily with a line for each thing in it. */
export function shownInput(input: string): string {
  try {
    const read: unknown = JSON.parse(input);
    return typeof read === "object" && read !== null ? JSON.stringify(read, null, 2) : input;
  } catch {
    return input;
  }
}

function Part({ name, text }: { name: string; text: string }) {
  return (
    <section className="flex flex-col gap-1">
      <h3 className="font-medium text-ink-3 text-xs">{name}</h3>
      <CodeBlock code={text} label={name.toLowerCase()} className={WRAPPED} />
    </section>
  );
}

/** One answer: what was said, and what its scorers made of it. */
export function Answer({ item, name = "Output" }: { item: Item; name?: string }) {
  return (
    <div className="flex min-w-0 flex-col gap-3">
      {item.error !== null && <ErrorNote>{item.error}</ErrorNote>}
      {item.output !== null && <Part name={name} text={item.output || "(an empty answer)"} />}
      <Facts
        items={[
          ["Score", <strong key="s">{scoreText(item.score)}</strong>],
          ...item.scores.map(
            (one) =>
              [
                one.name,
                one.error === null ? (
                  scoreText(one.value)
                ) : (
                  <span key={one.name} className="text-bad">
                    {one.error}
                  </span>
                ),
              ] as const,
          ),
          ["Tokens", `${count(item.promptTokens)} in, ${count(item.completionTokens)} out`],
          item.latencyMs !== null && ["Latency", duration(item.latencyMs / 1000)],
          item.finishReason !== null && ["Ended by", item.finishReason],
        ]}
      />
    </div>
  );
}

/** What was asked, and what would have been right. */
export function Question({ input, label }: { input: string; label: string | null }) {
  return (
    <>
      <Part name="Input" text={shownInput(input)} />
      {label !== null && <Part name="Label" text={label} />}
    </>
  );
}

export function ItemDialog({ item, samples, onClose }: { item: Item; samples: number; onClose: () => void }) {
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={titleOf(item)}
      description={samples > 1 ? `Answer ${count(item.sample + 1)} of ${count(samples)}` : undefined}
    >
      <div className="flex flex-col gap-3">
        <Question input={item.input} label={item.label} />
        <Answer item={item} />
      </div>
    </Dialog>
  );
}
