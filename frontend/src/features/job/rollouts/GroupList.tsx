import { useEffect, useRef } from "react";
import { measure } from "@/lib/format";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Badge } from "@/ui/Status";
import type { Group } from "./documents";
import { preview } from "./groups";

interface GroupListProps {
  groups: readonly Group[];
  chosen: number;
  onChoose: (index: number) => void;
  /** Groups of several steps: each says which. */
  across: boolean;
  old: boolean;
  hasMore: boolean;
  fetching: boolean;
  onMore: () => void;
}

/** The groups that were found, each by its prompt and how its rewards came out. */
export function GroupList({ groups, chosen, onChoose, across, old, hasMore, fetching, onMore }: GroupListProps) {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const item = list.current?.children[chosen];
    if (!list.current || !(item instanceof HTMLElement)) return;
    // Within the list only: the page stays where it is.
    const { scrollTop, clientHeight } = list.current;
    const top = item.offsetTop;
    if (top < scrollTop) list.current.scrollTop = top;
    else if (top + item.offsetHeight > scrollTop + clientHeight) list.current.scrollTop = top + item.offsetHeight - clientHeight;
  }, [chosen]);
  return (
    <nav aria-label="Groups" className={cx("min-w-0", old && "opacity-60")}>
      <ol ref={list} className="relative max-h-72 divide-y divide-line overflow-y-auto lg:max-h-[calc(100dvh-8rem)]">
        {groups.map((group, index) => (
          <li key={group.id}>
            <button
              type="button"
              aria-current={index === chosen || undefined}
              onClick={() => onChoose(index)}
              className={cx(
                "flex w-full flex-col gap-1 px-2.5 py-1.5 text-left hover:bg-hover focus-visible:-outline-offset-2",
                index === chosen && "bg-selected",
              )}
            >
              <span className="flex w-full items-baseline gap-2">
                <span className="min-w-0 flex-1 truncate text-sm">{preview(group.prompt) || "empty prompt"}</span>
                <span className="font-medium text-xs tabular-nums">{measure(group.rewardMean)}</span>
              </span>
              <span className="flex w-full flex-wrap items-center gap-1.5">
                <Dots group={group} />
                {across && <span className="text-2xs text-ink-3 tabular-nums">step {group.step}</span>}
                <Outcome group={group} />
                {group.completions.some((one) => one.scoreError !== null) && <Badge mood="bad">reward error</Badge>}
                {group.completions.some((one) => one.truncated) && <Badge mood="warn">truncated</Badge>}
              </span>
            </button>
          </li>
        ))}
      </ol>
      {hasMore && (
        <div className="border-line border-t p-2 text-center">
          <Button size="sm" tone="ghost" busy={fetching} onClick={onMore}>
            Look further
          </Button>
        </div>
      )}
    </nav>
  );
}

/** Groups from which nothing is learned say so. */
export function Outcome({ group }: { group: Group }) {
  if (group.outcome === "MIXED") return null;
  if (group.outcome === "UNSCORED") return <Badge mood="bad">no rewards</Badge>;
  return (
    <Badge
      mood={group.outcome === "ALL_PASS" ? "good" : "warn"}
      title="All rewards are equal: no variance, so the step learned nothing from this group"
    >
      {group.outcome === "ALL_PASS" ? "all pass" : "all fail"} · no variance
    </Badge>
  );
}

const MOST_DOTS = 16;

/** A dot for each completion, from the least advantage to the greatest. */
function Dots({ group }: { group: Group }) {
  const all = group.completions.toSorted(
    (a, b) => (a.reward ?? Number.NEGATIVE_INFINITY) - (b.reward ?? Number.NEGATIVE_INFINITY),
  );
  return (
    <span aria-hidden className="flex gap-0.5">
      {all.slice(-MOST_DOTS).map((one) => (
        <span
          key={one.id}
          className={cx(
            "h-2.5 w-1 rounded-full",
            one.reward === null
              ? "bg-bad"
              : group.zeroVariance
                ? "bg-line-strong"
                : (one.advantage ?? 0) > 0
                  ? "bg-accent"
                  : "bg-line-strong opacity-60",
          )}
        />
      ))}
    </span>
  );
}
