import { Plus, X } from "lucide-react";
import { Button, IconButton } from "@/ui/Button";
import { Input } from "@/ui/Field";
import type { Weight } from "./playground/draft";

interface WeightsEditorProps {
  weights: readonly Weight[];
  onChange: (weights: readonly Weight[]) => void;
  error?: string | undefined;
}

/** What named components count. Those that are not named count once. */
export function WeightsEditor({ weights, onChange, error }: WeightsEditorProps) {
  const put = (at: number, part: Partial<Weight>) =>
    onChange(weights.map((one, index) => (index === at ? { ...one, ...part } : one)));
  return (
    <fieldset className="flex min-w-0 flex-col gap-1">
      <legend className="mb-1 font-medium text-ink text-xs">
        Weights <span className="font-normal text-ink-3">of components; 1 where none is given</span>
      </legend>
      {weights.map(({ name, weight }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a name is typed letter by letter, and stays in its place
        <div key={index} className="flex items-center gap-1.5">
          <Input
            aria-label={`Component ${index + 1}`}
            placeholder="component"
            value={name}
            onChange={(event) => put(index, { name: event.target.value })}
          />
          <Input
            aria-label={`Weight of ${name || `component ${index + 1}`}`}
            type="number"
            step="any"
            className="max-w-24 tabular-nums"
            value={Number.isNaN(weight) ? "" : weight}
            onChange={(event) => put(index, { weight: event.target.valueAsNumber })}
          />
          <IconButton
            label={`Remove the weight of ${name || `component ${index + 1}`}`}
            onClick={() => onChange(weights.toSpliced(index, 1))}
          >
            <X aria-hidden className="size-3.5" />
          </IconButton>
        </div>
      ))}
      <div>
        <Button
          size="sm"
          tone="ghost"
          icon={<Plus aria-hidden className="size-3.5" />}
          onClick={() => onChange([...weights, { name: "", weight: 1 }])}
        >
          Add a weight
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

/** As the API takes them; null where there are none. */
export const weightsInput = (weights: readonly Weight[]): Weight[] | null => {
  const named = weights.filter((one) => one.name.trim() && Number.isFinite(one.weight));
  return named.length ? named.map(({ name, weight }) => ({ name: name.trim(), weight })) : null;
};
