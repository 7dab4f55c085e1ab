import { Field, Input } from "@/ui/Field";
import type { Sampling } from "./scorers";

interface Props {
  value: Sampling;
  onChange: (to: Partial<Sampling>) => void;
  error: string | undefined;
}

const FIELDS = [
  ["samples", "Answers of each row", "1"],
  ["temperature", "Temperature", "the model's"],
  ["maxTokens", "Most tokens", "the model's"],
] as const;

/** How answers are sampled; what is left empty is left to the eval, or the model. */
export function SamplingFields({ value, onChange, error }: Props) {
  return (
    <div className="flex flex-col gap-1">
      <div className="grid gap-3 sm:grid-cols-3">
        {FIELDS.map(([name, label, placeholder]) => (
          <Field key={name} label={label} optional>
            {(ids) => (
              <Input
                {...ids}
                inputMode="decimal"
                placeholder={placeholder}
                value={value[name]}
                onChange={(event) => onChange({ [name]: event.target.value })}
              />
            )}
          </Field>
        ))}
      </div>
      {error && (
        <p role="alert" className="text-bad text-xs">
          {error}
        </p>
      )}
    </div>
  );
}
