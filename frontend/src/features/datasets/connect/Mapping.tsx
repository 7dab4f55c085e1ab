import { ArrowRight, Plus, X } from "lucide-react";
import { useId } from "react";
import { Button, IconButton } from "@/ui/Button";
import { Input } from "@/ui/Field";
import type { SourceForm } from "./sources";

interface MappingProps {
  mapping: SourceForm["mapping"];
  /** The names in the source, once it was looked into. */
  columns: readonly string[];
  error?: string | undefined;
  onChange: (mapping: SourceForm["mapping"]) => void;
}

/** Second names for columns: one of them has to be called `prompt`. */
export function Mapping({ mapping, columns, error, onChange }: MappingProps) {
  const id = useId();
  const set = (at: number, change: Partial<SourceForm["mapping"][number]>) =>
    onChange(mapping.map((pair, index) => (index === at ? { ...pair, ...change } : pair)));
  return (
    <fieldset className="flex flex-col gap-1.5">
      <legend className="mb-1 font-medium text-xs">Column names</legend>
      <p className="text-ink-3 text-xs">
        Gives a column a second name, such as question → prompt; the reward function gets both.
      </p>
      <datalist id={id}>
        {columns.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {mapping.map((pair, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a pair is known by its place alone while it is typed
        <div key={index} className="flex items-center gap-1.5">
          <Input
            aria-label={`Column ${index + 1} in the source`}
            list={id}
            value={pair.from}
            placeholder="question"
            onChange={(event) => set(index, { from: event.target.value })}
          />
          <ArrowRight aria-hidden className="size-3.5 shrink-0 text-ink-3" />
          <Input
            aria-label={`Name ${index + 1} here`}
            value={pair.to}
            placeholder="prompt"
            onChange={(event) => set(index, { to: event.target.value })}
          />
          <IconButton label="Remove this name" onClick={() => onChange(mapping.filter((_, at) => at !== index))}>
            <X aria-hidden className="size-3.5" />
          </IconButton>
        </div>
      ))}
      <div>
        <Button
          size="sm"
          tone="ghost"
          icon={<Plus aria-hidden className="size-3.5" />}
          onClick={() => onChange([...mapping, { from: "", to: mapping.some(({ to }) => to === "prompt") ? "" : "prompt" }])}
        >
          Add a name
        </Button>
      </div>
      {error && (
        <p role="alert" className="text-bad text-xs">
          {error}
        </p>
      )}
    </fieldset>
  );
}
