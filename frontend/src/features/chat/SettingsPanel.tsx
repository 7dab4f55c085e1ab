import { Button } from "@/ui/Button";
import { Checkbox, Field, Input, Textarea } from "@/ui/Field";
import { DEFAULTS, type Settings } from "./complete";

const NUMBERS = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.1, placeholder: "1" },
  { name: "topP", label: "Top p", min: 0, max: 1, step: 0.05, placeholder: "1" },
  { name: "maxTokens", label: "Max tokens", min: 1, max: undefined, step: 1, placeholder: "the engine's" },
  { name: "seed", label: "Seed", min: 0, max: undefined, step: 1, placeholder: "none" },
] as const;

/** How all columns are asked. */
export function SettingsPanel({ settings, onChange }: { settings: Settings; onChange: (to: Partial<Settings>) => void }) {
  return (
    <aside
      aria-label="Settings"
      className="flex shrink-0 flex-col gap-3 overflow-y-auto rounded-lg border border-line bg-surface p-3 shadow-card max-lg:max-h-[40dvh] lg:w-72"
    >
      <Field label="System prompt" optional>
        {(ids) => (
          <Textarea {...ids} rows={4} value={settings.system} onChange={(event) => onChange({ system: event.target.value })} />
        )}
      </Field>
      <div className="grid grid-cols-2 gap-3">
        {NUMBERS.map(({ name, label, ...rest }) => (
          <Field key={name} label={label}>
            {(ids) => (
              <Input
                {...ids}
                {...rest}
                type="number"
                value={settings[name] ?? ""}
                onChange={({ target }) => onChange({ [name]: target.value === "" ? null : target.valueAsNumber })}
              />
            )}
          </Field>
        ))}
      </div>
      <Field label="Stop at" hint="Texts that end an answer, one a line." optional>
        {(ids) => (
          <Textarea
            {...ids}
            rows={2}
            className="font-mono"
            value={settings.stop}
            onChange={(event) => onChange({ stop: event.target.value })}
          />
        )}
      </Field>
      <Checkbox
        label="Probabilities of tokens"
        hint="How sure the model was, and what else it might have said."
        checked={settings.logprobs}
        onChange={(event) => onChange({ logprobs: event.target.checked })}
      />
      <Button size="sm" className="self-start" onClick={() => onChange(DEFAULTS)}>
        Defaults
      </Button>
    </aside>
  );
}
