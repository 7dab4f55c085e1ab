import { Field, Input } from "@/ui/Field";
import type { ScalingDraft } from "./draft";
import type { Scaling } from "./scaling";

const FIELDS: readonly { name: keyof Scaling; label: string; min: number; max: number; step: number | "any"; hint?: string }[] = [
  { name: "minReplicas", label: "Least replicas", min: 0, max: 64, step: 1, hint: "0 sleeps while nobody asks." },
  { name: "maxReplicas", label: "Most replicas", min: 1, max: 64, step: 1 },
  { name: "targetRps", label: "Requests/s a replica", min: 0.001, max: 1_000_000, step: "any" },
  { name: "targetLatencyP95Ms", label: "p95 latency, ms", min: 1, max: 3_600_000, step: "any", hint: "Of whole answers." },
  {
    name: "stabilisationWindowSeconds",
    label: "Scale down after, s",
    min: 0,
    max: 86_400,
    step: 1,
    hint: "Without need for as long.",
  },
];

interface Props {
  draft: ScalingDraft;
  errors: Record<string, string>;
  onChange: (to: Partial<ScalingDraft>) => void;
}

/** How many replicas, and by which targets. */
export function ScalingFields({ draft, errors, onChange }: Props) {
  return (
    <div className="grid grid-cols-2 items-start gap-3 sm:grid-cols-6">
      {FIELDS.map(({ name, label, hint, ...range }, index) => (
        <Field
          key={name}
          label={label}
          hint={hint}
          error={errors[name]}
          className={index < 2 ? "sm:col-span-3" : index === 4 ? "max-sm:col-span-2 sm:col-span-2" : "sm:col-span-2"}
        >
          {(ids) => (
            <Input
              {...ids}
              {...range}
              type="number"
              required
              value={draft[name]}
              onChange={(event) => onChange({ [name]: event.target.value })}
            />
          )}
        </Field>
      ))}
    </div>
  );
}

export const SCALING_FIELDS = FIELDS.map((one) => one.name);
