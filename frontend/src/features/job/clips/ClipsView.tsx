import { Film, Pause, Play } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { counted } from "@/lib/format";
import { useShortcuts } from "@/lib/shortcuts";
import { choice, integer, text, useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { cx } from "@/ui/cx";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { rolloutSnippets } from "../rollouts/snippets";
import { Clip } from "./Clip";
import { along, type Grid, type PromptRow, pairOf, stepName } from "./grid";
import { Pair } from "./Pair";
import { useClips } from "./useClips";

/** `prompt` is the one that is compared, between the steps `base` and `at`; null is the first and the newest. */
const URL = {
  prompt: text(""),
  base: integer(),
  at: integer(),
  play: choice(["auto", "on", "off"], "auto"),
};

const moves = (): boolean => !matchMedia("(prefers-reduced-motion: reduce)").matches;

/** What a video model makes while it trains: the same prompts with the same seeds, at the start and at each checkpoint. */
export default function ClipsView({ jobId }: { jobId: string }) {
  const [view, setView] = useUrlState(URL);
  const clips = useClips(jobId);
  const { grid } = clips;
  const [calm] = useState(() => !moves());
  const playing = view.play === "auto" ? !calm : view.play === "on";
  const chosen = grid?.prompts.find((one) => one.key === view.prompt);
  const pair = chosen && pairOf(chosen, view.base, view.at);
  const step = (by: number) => {
    if (chosen && pair) setView({ at: along(chosen, pair[1].step, by) });
  };
  const next = (by: number) => {
    const all = grid?.prompts ?? [];
    const to = all[all.findIndex((one) => one.key === view.prompt) + by];
    if (to) setView({ prompt: to.key });
  };
  useShortcuts([
    { keys: "ArrowLeft", label: "Compare with the step before", group: "Clips", run: () => step(-1) },
    { keys: "ArrowRight", label: "Compare with the next step", group: "Clips", run: () => step(1) },
    { keys: "j", label: "Next prompt", group: "Clips", run: () => next(1) },
    { keys: "k", label: "Prompt before", group: "Clips", run: () => next(-1) },
    { keys: "p", label: "Play or stop the clips", group: "Clips", run: () => setView({ play: playing ? "off" : "on" }) },
    { keys: "Escape", label: "Close the comparison", group: "Clips", run: () => setView({ prompt: "", base: null, at: null }) },
  ]);
  if (clips.error) return <ErrorNote onRetry={clips.retry}>{clips.error}</ErrorNote>;
  if (!grid) return <Skeleton className="h-96" />;
  if (grid.prompts.length === 0)
    return (
      <>
        <h2 className="sr-only">Rollouts</h2>
        <Empty icon={<Film aria-hidden />} title="No clips yet">
          {clips.running
            ? "Clips are made before the first step and at each checkpoint, as sample_prompts says."
            : "The job ended before it made a clip, or its sample_prompts is 0."}
        </Empty>
      </>
    );
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <h2 className="sr-only">Rollouts</h2>
      <div className="flex flex-wrap items-center gap-2">
        <Button
          size="sm"
          icon={playing ? <Pause aria-hidden className="size-3.5" /> : <Play aria-hidden className="size-3.5" />}
          onClick={() => setView({ play: playing ? "off" : "on" })}
        >
          {playing ? "Stop all" : "Play all"}
        </Button>
        <span className="text-ink-3 text-xs">
          {counted(grid.prompts.length, "prompt")} at {counted(grid.steps.length, "step")}, each with a seed of its own that stays
          the same.
        </span>
        <span className="flex-1" />
        {clips.hasMore && (
          <Button size="sm" busy={clips.fetching} onClick={clips.more}>
            Earlier steps
          </Button>
        )}
        <CopyAs
          title="Read these clips"
          snippets={() => rolloutSnippets(jobId, { step: null, row: null, filter: "all", pattern: "" })}
        />
      </div>
      {chosen && pair && (
        <Pair
          prompt={chosen}
          clips={pair}
          playing={playing}
          onFrom={(base) => setView({ base })}
          onTo={(at) => setView({ at })}
          onClose={() => setView({ prompt: "", base: null, at: null })}
          onFail={clips.failed}
          onLoad={clips.loaded}
        />
      )}
      <Table
        grid={grid}
        playing={playing}
        chosen={view.prompt}
        at={pair?.[1].step ?? null}
        onOpen={(prompt, at) => setView({ prompt: prompt.key, at }, { push: view.prompt === "" })}
        onFail={clips.failed}
        onLoad={clips.loaded}
      />
    </div>
  );
}

interface TableProps {
  grid: Grid;
  playing: boolean;
  chosen: string;
  at: number | null;
  onOpen: (prompt: PromptRow, step: number) => void;
  onFail: (id: string) => void;
  onLoad: (id: string) => void;
}

function Table({ grid, playing, chosen, at, onOpen, onFail, onLoad }: TableProps) {
  const box = useRef<HTMLElement>(null);
  const newest = grid.steps.at(-1);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new step stands at the right end
  useEffect(() => {
    if (box.current) box.current.scrollLeft = box.current.scrollWidth;
  }, [newest]);
  return (
    <section
      ref={box}
      aria-label="Clips by prompt and step"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      className="min-w-0 overflow-x-auto rounded-lg border border-line bg-surface shadow-card"
    >
      <ul className="flex w-max min-w-full flex-col divide-y divide-line">
        {grid.prompts.map((prompt) => (
          <li key={prompt.key} className={cx("flex flex-col gap-2 p-3", prompt.key === chosen && "bg-selected")}>
            <h3 className="sticky left-3 w-[min(70vw,56rem)] text-sm">{prompt.caption}</h3>
            <div className="flex gap-2">
              {grid.steps.map((step) => {
                const clip = prompt.clips.get(step);
                return (
                  <div key={step} className="w-44 shrink-0">
                    {clip && (
                      <button
                        type="button"
                        aria-label={`Compare ${stepName(step).toLowerCase()} of ${prompt.caption}`}
                        aria-pressed={prompt.key === chosen && step === at}
                        className={cx(
                          "flex w-full flex-col gap-1 rounded-md border p-1 text-left text-xs hover:border-line-strong",
                          prompt.key === chosen && step === at ? "border-accent" : "border-transparent",
                        )}
                        onClick={() => onOpen(prompt, step)}
                      >
                        <Clip
                          url={clip.url}
                          label={`${stepName(step)}: ${prompt.caption}`}
                          playing={playing}
                          className="aspect-video w-full object-contain"
                          onFail={() => onFail(clip.id)}
                          onLoad={() => onLoad(clip.id)}
                        />
                        <span className="text-ink-2 tabular-nums">{stepName(step)}</span>
                      </button>
                    )}
                  </div>
                );
              })}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
