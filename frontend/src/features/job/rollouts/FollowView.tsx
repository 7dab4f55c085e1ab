import { useMemo } from "react";
import { measure } from "@/lib/format";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Select } from "@/ui/Field";
import { Badge } from "@/ui/Status";
import { signed } from "./CompletionCard";
import { PromptBox } from "./Conversation";
import type { Group } from "./documents";
import { type Change, changes, PICK_NAMES, PICKS, type Pick, pick } from "./follow";
import { Outcome } from "./GroupList";
import { pieces } from "./text";
import { useGroups } from "./useGroups";
import type { Reading } from "./VisibleText";

interface FollowViewProps {
  jobId: string;
  row: number;
  which: Pick;
  reading: Reading;
  /** The step that was left, to see it here. */
  step: number;
  onWhich: (which: Pick) => void;
  onStep: (group: Group) => void;
}

/** One prompt at every step that sampled it, each answer against the one before. */
export default function FollowView({ jobId, row, which, reading, step, onWhich, onStep }: FollowViewProps) {
  const found = useGroups({ jobId, step: null, row, filter: null, order: "OLDEST_FIRST" });
  const groups = found.old ? undefined : found.groups;
  const first = groups?.[0];
  if (found.error) return <ErrorNote>{found.error}</ErrorNote>;
  if (!groups) return <Skeleton className="h-96" />;
  if (!first) return <Empty title={`Row ${row} was never sampled`}>No step of this job has rollouts of it.</Empty>;
  return (
    <section aria-label={`Row ${row} through the steps`} className="flex min-w-0 flex-col gap-3">
      <PromptBox prompt={first.prompt} reading={reading} />
      <div className="flex flex-wrap items-center gap-2 text-xs">
        <span className="text-ink-3">{told(groups.length, found.hasMore)} What changed since the time before is marked.</span>
        <span className="flex-1" />
        <Select
          aria-label="Which completion of each step"
          className="h-7! w-auto! text-xs"
          value={which}
          onChange={(event) => onWhich(PICKS.find((one) => one === event.target.value) ?? "best")}
        >
          {PICKS.map((one) => (
            <option key={one} value={one}>
              {PICK_NAMES[one]} of each step
            </option>
          ))}
        </Select>
      </div>
      <ol className="divide-y divide-line overflow-hidden rounded-md border border-line bg-surface">
        {groups.map((group, index) => (
          <Entry
            key={group.id}
            group={group}
            before={groups[index - 1]}
            which={which}
            reading={reading}
            here={group.step === step}
            onStep={() => onStep(group)}
          />
        ))}
      </ol>
      {found.hasMore && (
        <Button className="self-center" size="sm" busy={found.fetching} onClick={found.more}>
          Later steps
        </Button>
      )}
    </section>
  );
}

const told = (steps: number, more: boolean): string =>
  steps === 1 && !more ? "Sampled at one step." : `Sampled at ${steps}${more ? " steps and more." : " steps."}`;

interface EntryProps {
  group: Group;
  before: Group | undefined;
  which: Pick;
  reading: Reading;
  here: boolean;
  onStep: () => void;
}

function Entry({ group, before, which, reading, here, onStep }: EntryProps) {
  const one = pick(group, which);
  const last = before && pick(before, which);
  const text = one?.text ?? "";
  const parts = useMemo(() => (last ? changes(last.text, text) : [{ text, kind: "same" as const }]), [last, text]);
  const gained = before && group.rewardMean !== null && before.rewardMean !== null ? group.rewardMean - before.rewardMean : null;
  return (
    <li className={cx("grid gap-x-4 gap-y-1 px-3 py-2 sm:grid-cols-[9rem_minmax(0,1fr)]", here && "bg-selected")}>
      <div className="flex flex-wrap items-baseline gap-x-2 text-xs sm:flex-col">
        <button type="button" className="font-medium text-accent tabular-nums hover:underline" onClick={onStep}>
          Step {group.step}
        </button>
        <span className="tabular-nums">
          {measure(group.rewardMean)} <span className="text-ink-3">mean</span>
          {gained !== null && Math.abs(gained) > 1e-9 && (
            <span className={cx("ml-1", gained > 0 ? "text-good" : "text-bad")}>{signed(gained)}</span>
          )}
        </span>
        <Outcome group={group} />
      </div>
      <div className="min-w-0">
        <div className="mb-0.5 flex gap-2 text-2xs text-ink-3 tabular-nums">
          <span>reward {one?.reward === null || one === undefined ? "None" : measure(one.reward)}</span>
          <span>{one?.tokens ?? 0} tok</span>
          {one?.truncated && <Badge mood="warn">truncated</Badge>}
          {last && last.text === text && <span>unchanged</span>}
        </div>
        <div className="whitespace-pre-wrap break-words font-mono text-xs leading-5">
          {text === "" && !last?.text && <span className="text-ink-3 italic">empty</span>}
          {parts.map((part, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one diff never move
            <Part key={index} part={part} whitespace={reading.whitespace} />
          ))}
        </div>
      </div>
    </li>
  );
}

function Part({ part, whitespace }: { part: Change; whitespace: boolean }) {
  const shown = pieces(part.text, whitespace, null)
    .map((piece) => piece.text)
    .join("");
  if (part.kind === "added") return <ins className="rounded-xs bg-good-soft text-good no-underline">{shown}</ins>;
  if (part.kind === "removed") return <del className="rounded-xs bg-bad-soft text-bad">{shown}</del>;
  return shown;
}
