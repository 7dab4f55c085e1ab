import { ChevronLeft, ChevronRight, Pilcrow, X } from "lucide-react";
import { useTyped } from "@/lib/typed";
import { Button, IconButton } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Input, Select } from "@/ui/Field";
import { FILTER_NAMES, FILTERS, type Filter } from "./groups";
import type { View } from "./Rollouts";

interface ToolbarProps {
  view: View;
  step: number;
  /** The run goes on. */
  live: boolean;
  /** Steps that came since the reader left the newest. */
  missed: number;
  onView: (part: Partial<View>) => void;
  onMove: (by: number) => void;
  children: React.ReactNode;
}

export function Toolbar({ view, step, live, missed, onView, onMove, children }: ToolbarProps) {
  const { text, type, settle } = useTyped(view.q, (q) => onView({ q, g: 0, c: null }));
  return (
    <div className="flex flex-wrap items-center gap-1.5">
      <span className="flex items-center">
        <IconButton label="Step before (←)" onClick={() => onMove(-1)}>
          <ChevronLeft aria-hidden className="size-4" />
        </IconButton>
        <span className="min-w-16 text-center font-medium text-sm tabular-nums">step {step}</span>
        <IconButton label="Next step (→)" onClick={() => onMove(1)}>
          <ChevronRight aria-hidden className="size-4" />
        </IconButton>
      </span>
      <Button
        size="sm"
        aria-pressed={view.step === null}
        tone={view.step === null ? "plain" : "ghost"}
        className={cx(missed > 0 && view.step !== null && "text-accent")}
        onClick={() => onView({ step: view.step === null ? step : null, g: 0, c: null })}
      >
        {view.step === null ? (live ? "Following the newest" : "Newest") : missed > 0 ? `${missed} new` : "Newest"}
      </Button>
      <Select
        aria-label="Which groups"
        className="h-7! w-auto! text-xs"
        value={view.filter}
        onChange={(event) => onView({ filter: FILTERS.find((one) => one === event.target.value) ?? "all", g: 0, c: null })}
      >
        {FILTERS.map((one: Filter) => (
          <option key={one} value={one}>
            {FILTER_NAMES[one]}
          </option>
        ))}
      </Select>
      <span className="relative min-w-36 flex-1 sm:max-w-64">
        <Input
          type="search"
          aria-label="Regular expression over prompts and completions"
          placeholder="Regex over the text"
          maxLength={200}
          spellCheck={false}
          className="h-7! font-mono text-xs"
          value={text}
          onChange={(event) => type(event.target.value)}
          onKeyDown={(event) => event.key === "Enter" && settle()}
        />
      </span>
      <Select
        aria-label="Where to look"
        className="h-7! w-auto! text-xs"
        value={view.scope}
        onChange={(event) => onView({ scope: event.target.value === "run" ? "run" : "step", g: 0, c: null })}
      >
        <option value="step">this step</option>
        <option value="run">all steps</option>
      </Select>
      {(view.filter !== "all" || view.q || view.scope === "run") && (
        <IconButton label="Clear the filters" onClick={() => onView({ filter: "all", q: "", scope: "step", g: 0, c: null })}>
          <X aria-hidden className="size-3.5" />
        </IconButton>
      )}
      <span className="flex-1" />
      <IconButton
        label={view.ws ? "Hide spaces and line ends" : "Show spaces and line ends"}
        aria-pressed={view.ws}
        className={cx(view.ws && "bg-selected text-accent")}
        onClick={() => onView({ ws: !view.ws })}
      >
        <Pilcrow aria-hidden className="size-3.5" />
      </IconButton>
      {children}
    </div>
  );
}
