import { ChevronLeft, ChevronRight, X } from "lucide-react";
import { useEffect, useRef } from "react";
import { counted } from "@/lib/format";
import { Button, IconButton } from "@/ui/Button";
import { Select } from "@/ui/Field";
import { Clip } from "./Clip";
import { along, type Clip as OneClip, type PromptRow, stepName } from "./grid";

interface PairProps {
  prompt: PromptRow;
  clips: readonly [OneClip, OneClip];
  playing: boolean;
  onFrom: (step: number) => void;
  onTo: (step: number) => void;
  onClose: () => void;
  onFail: (id: string) => void;
  onLoad: (id: string) => void;
}

/** More than this apart, in seconds, two clips are not seen as one. */
const APART_S = 0.08;

/** The same prompt and seed at two steps, in time with each other. */
export function Pair({ prompt, clips: [first, second], playing, onFrom, onTo, onClose, onFail, onLoad }: PairProps) {
  const left = useRef<HTMLVideoElement>(null);
  const right = useRef<HTMLVideoElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: other clips are other elements to keep in time
  useEffect(() => {
    const [leader, follower] = [left.current, right.current];
    if (!leader || !follower) return;
    const follow = () => {
      if (Math.abs(follower.currentTime - leader.currentTime) > APART_S) follower.currentTime = leader.currentTime;
    };
    const start = () => void follower.play().catch(() => undefined);
    const stop = () => follower.pause();
    const heard = { timeupdate: follow, seeked: follow, play: start, pause: stop };
    for (const [name, listener] of Object.entries(heard)) leader.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(heard)) leader.removeEventListener(name, listener);
    };
  }, [first.url, second.url]);
  const steps = [...prompt.clips.keys()].sort((a, b) => a - b);
  const choose = (label: string, value: number, onChange: (step: number) => void) => (
    <Select
      aria-label={label}
      className="h-7! w-auto! text-xs"
      value={value}
      onChange={(event) => onChange(Number(event.target.value))}
    >
      {steps.map((step) => (
        <option key={step} value={step}>
          {stepName(step)}
        </option>
      ))}
    </Select>
  );
  return (
    <section aria-label="Compared" className="flex flex-col gap-3 rounded-lg border border-line bg-surface p-3 shadow-card">
      <header className="flex items-start gap-3">
        <p className="min-w-0 flex-1 text-sm">{prompt.caption}</p>
        <IconButton label="Close the comparison" onClick={onClose}>
          <X aria-hidden className="size-4" />
        </IconButton>
      </header>
      <div className="grid gap-3 sm:grid-cols-2">
        <figure className="flex min-w-0 flex-col gap-1.5">
          <figcaption className="flex h-7 items-center">{choose("Step on the left", first.step, onFrom)}</figcaption>
          <Clip
            ref={left}
            url={first.url}
            label={`${stepName(first.step)}: ${prompt.caption}`}
            playing={playing}
            controls
            className="w-full"
            onFail={() => onFail(first.id)}
            onLoad={() => onLoad(first.id)}
          />
        </figure>
        <figure className="flex min-w-0 flex-col gap-1.5">
          <figcaption className="flex h-7 items-center gap-1">
            {choose("Step on the right", second.step, onTo)}
            <IconButton
              label="Step before (←)"
              disabled={second.step === steps[0]}
              onClick={() => onTo(along(prompt, second.step, -1))}
            >
              <ChevronLeft aria-hidden className="size-4" />
            </IconButton>
            <IconButton
              label="Next step (→)"
              disabled={second.step === steps.at(-1)}
              onClick={() => onTo(along(prompt, second.step, 1))}
            >
              <ChevronRight aria-hidden className="size-4" />
            </IconButton>
            <span className="flex-1" />
            {second.url && (
              <a href={second.url} download className="text-accent text-xs hover:underline">
                Download
              </a>
            )}
          </figcaption>
          <Clip
            ref={right}
            url={second.url}
            label={`${stepName(second.step)}: ${prompt.caption}`}
            playing={playing}
            className="w-full"
            onFail={() => onFail(second.id)}
            onLoad={() => onLoad(second.id)}
          />
        </figure>
      </div>
      <footer className="flex flex-wrap items-center gap-2 text-ink-3 text-xs">
        <span>The same prompt and seed, {counted(second.frames, "frame")}. The left one leads.</span>
        <span className="flex-1" />
        <Button size="sm" tone="ghost" onClick={() => onFrom(steps[0] ?? first.step)}>
          Against the start
        </Button>
      </footer>
    </section>
  );
}
