import { ArrowLeft, ChevronLeft, ChevronRight, FlaskConical, Footprints } from "lucide-react";
import { measure } from "@/lib/format";
import { Button, IconButton } from "@/ui/Button";
import { CodeBlock } from "@/ui/Copy";
import { Badge } from "@/ui/Status";
import { CompletionCard } from "./CompletionCard";
import { PromptBox } from "./Conversation";
import type { Completion, Group } from "./documents";
import { Outcome } from "./GroupList";
import { ranked, scaleOf } from "./groups";
import type { Reading } from "./VisibleText";

interface GroupViewProps {
  group: Group;
  reading: Reading;
  /** The place of the completion that is open over the full width; null shows all side by side. */
  open: number | null;
  onOpen: (rank: number | null) => void;
  onFollow: () => void;
  /** Where there is a reward function to try completions on. */
  onPlay?: ((completions: readonly Completion[]) => void) | undefined;
}

/** One prompt at one step: the conversation, and its completions by advantage. */
export function GroupView({ group, reading, open, onOpen, onFollow, onPlay }: GroupViewProps) {
  const all = ranked(group.completions);
  const scale = scaleOf(group);
  const one = open === null ? undefined : all[open];
  return (
    <section aria-label={`Group at step ${group.step}`} className="flex min-w-0 flex-col gap-3">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 text-xs">
        <span className="font-medium text-sm tabular-nums">Step {group.step}</span>
        {group.datasetRow !== null && <span className="text-ink-3 tabular-nums">row {group.datasetRow}</span>}
        <span className="tabular-nums">
          <span className="text-ink-3">mean</span> {measure(group.rewardMean)}
        </span>
        <span className="tabular-nums">
          <span className="text-ink-3">spread</span> {measure(group.rewardStd)}
        </span>
        {group.attempt > 1 && (
          <Badge title="The job was resumed: an attempt went over this step again">attempt {group.attempt}</Badge>
        )}
        <Outcome group={group} />
        <span className="flex-1" />
        <Button
          size="sm"
          tone="ghost"
          icon={<Footprints aria-hidden className="size-3.5" />}
          disabled={group.datasetRow === null}
          title="The same prompt at every step (f)"
          onClick={onFollow}
        >
          Follow this prompt
        </Button>
        {onPlay && (
          <Button size="sm" tone="ghost" icon={<FlaskConical aria-hidden className="size-3.5" />} onClick={() => onPlay(all)}>
            To the playground
          </Button>
        )}
      </header>
      <PromptBox prompt={group.prompt} reading={reading} />
      {one && open !== null ? (
        <div className="flex flex-col gap-2">
          <div className="flex items-center gap-1">
            <Button size="sm" tone="ghost" icon={<ArrowLeft aria-hidden className="size-3.5" />} onClick={() => onOpen(null)}>
              All {all.length} completions
            </Button>
            <span className="flex-1" />
            <IconButton label="Better completion" disabled={open === 0} onClick={() => onOpen(open - 1)}>
              <ChevronLeft aria-hidden className="size-4" />
            </IconButton>
            <span className="text-ink-3 text-xs tabular-nums">
              {open + 1} of {all.length}
            </span>
            <IconButton label="Worse completion" disabled={open === all.length - 1} onClick={() => onOpen(open + 1)}>
              <ChevronRight aria-hidden className="size-4" />
            </IconButton>
          </div>
          <CompletionCard
            completion={one}
            prompt={group.prompt}
            rank={open + 1}
            scale={scale}
            reading={reading}
            onPlay={onPlay && (() => onPlay([one]))}
          />
        </div>
      ) : (
        <div className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,17rem),1fr))] gap-2">
          {all.map((completion, index) => (
            <CompletionCard
              key={completion.id}
              completion={completion}
              prompt={group.prompt}
              rank={index + 1}
              scale={scale}
              reading={reading}
              onOpen={() => onOpen(index)}
              onPlay={onPlay && (() => onPlay([completion]))}
            />
          ))}
        </div>
      )}
      {group.rewardOutput && (
        <details className="text-xs">
          <summary className="cursor-pointer text-ink-3">What the reward printed at this step</summary>
          <CodeBlock className="mt-1" code={group.rewardOutput} label="What the reward printed at this step" />
        </details>
      )}
    </section>
  );
}
