import { ListFilter } from "lucide-react";
import { Popover } from "radix-ui";
import { words } from "@/lib/format";
import type { SetUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { Checkbox, Field, Input } from "@/ui/Field";
import type { LogKind } from "./api";
import { LEVELS, type VIEW, type View } from "./view";

const SOURCES: Record<LogKind, readonly string[]> = {
  job: ["platform", "trainer", "reward", "stdout", "stderr"],
  deployment: ["platform", "engine", "stdout", "stderr"],
};

const toggled = (all: readonly string[], one: string): string[] =>
  all.includes(one) ? all.filter((name) => name !== one) : [...all, one];

/** Which lines to show, by level, by who wrote them, and by attempt. */
export function LogFilters({ of, view, setView }: { of: LogKind; view: View; setView: SetUrlState<typeof VIEW> }) {
  const active = view.levels.length + view.sources.length + (view.attempt ? 1 : 0);
  const sources = [...new Set([...SOURCES[of], ...view.sources])];
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <Button size="sm" icon={<ListFilter aria-hidden className="size-3.5" />}>
          Filter
          {active > 0 && <span className="rounded-sm bg-accent-soft px-1 text-2xs text-accent tabular-nums">{active}</span>}
        </Button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="start"
          sideOffset={4}
          aria-label="Filter the log"
          className="z-50 flex w-64 flex-col gap-3 rounded-lg bg-raised p-3 shadow-over"
        >
          <fieldset>
            <legend className="mb-1 font-medium text-ink-3 text-xs">Level</legend>
            <div className="grid grid-cols-2 gap-y-1">
              {LEVELS.map((level) => (
                <Checkbox
                  key={level}
                  label={words(level)}
                  checked={view.levels.includes(level.toLowerCase())}
                  onChange={() => setView({ levels: toggled(view.levels, level.toLowerCase()), line: "" })}
                />
              ))}
            </div>
          </fieldset>
          <fieldset>
            <legend className="mb-1 font-medium text-ink-3 text-xs">Written by</legend>
            <div className="grid grid-cols-2 gap-y-1">
              {sources.map((source) => (
                <Checkbox
                  key={source}
                  label={source}
                  checked={view.sources.includes(source)}
                  onChange={() => setView({ sources: toggled(view.sources, source), line: "" })}
                />
              ))}
            </div>
          </fieldset>
          <Field label="Attempt" optional>
            {(ids) => (
              <Input
                {...ids}
                type="number"
                min={0}
                value={view.attempt}
                onChange={(event) => setView({ attempt: event.target.value, line: "" })}
              />
            )}
          </Field>
          {active > 0 && (
            <Button size="sm" onClick={() => setView({ levels: [], sources: [], attempt: "" })}>
              Show all lines
            </Button>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
