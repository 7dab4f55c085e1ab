import { Button } from "@/ui/Button";
import { Checkbox, Field, Input, Select, Textarea } from "@/ui/Field";
import { DEFAULTS, type Settings } from "./complete";

const NUMBERS = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.1, placeholder: "1" },
  { name: "topP", label: "Top p", min: 0, max: 1, step: 0.05, placeholder: "1" },
  { name: "maxTokens", label: "Max tokens", min: 1, max: undefined, step: 1, placeholder: "the engine's" },
  { name: "seed", label: "Seed", min: 0, max: undefined, step: 1, placeholder: "none" },
] as const;

interface Props {
  settings: Settings;
  /** The model whose settings they are; empty where they are those of all. */
  of: string;
  names: readonly string[];
  /** Whether that model is asked otherwise than the rest. */
  own: boolean;
  onOf: (name: string) => void;
  onChange: (to: Partial<Settings>) => void;
  onDisown: () => void;
}

/** How all columns are asked, or one of them. */
export function SettingsPanel({ settings, of, names, own, onOf, onChange, onDisown }: Props) {
  return (
    <aside
      aria-label="Settings"
      className="flex shrink-0 flex-col gap-3 overflow-y-auto rounded-lg border border-line bg-surface p-3 shadow-card max-lg:max-h-[40dvh] lg:w-72"
    >
      {(names.length > 1 || of !== "") && (
        <Field
          label="Settings of"
          hint={of === "" ? undefined : own ? "It is asked by its own." : "It is asked as all are, until something is changed."}
        >
          {(ids) => (
            <Select {...ids} value={of} onChange={(event) => onOf(event.target.value)}>
              <option value="">All models</option>
              {names.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </Select>
          )}
        </Field>
      )}
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
      <div className="flex gap-2">
        <Button size="sm" onClick={() => onChange(DEFAULTS)}>
          Defaults
        </Button>
        {own && (
          <Button size="sm" onClick={onDisown}>
            As all are
          </Button>
        )}
      </div>
    </aside>
  );
}
