import { Trash2 } from "lucide-react";
import { IconButton } from "@/ui/Button";
import { ErrorNote } from "@/ui/Empty";
import { Checkbox, Field, Input, Select, Textarea } from "@/ui/Field";
import type { Choices } from "./documents";
import { ABOUT, type Draft, TYPE_NAMES, TYPES } from "./scorers";

interface Props {
  draft: Draft;
  index: number;
  choices: Choices | undefined;
  error: string | undefined;
  onChange: (to: Partial<Draft>) => void;
  /** None where it is the only one. */
  onRemove: (() => void) | undefined;
}

/** One scorer of an eval, with the fields of its type. */
export function ScorerEditor({ draft, index, choices, error, onChange, onRemove }: Props) {
  return (
    <fieldset className="flex flex-col gap-3 rounded-md border border-line p-3">
      <legend className="sr-only">Scorer {index + 1}</legend>
      <div className="grid grid-cols-[minmax(0,1fr)_5rem_auto] items-end gap-2">
        <Field label={`Scorer ${index + 1}`}>
          {(ids) => (
            <Select
              {...ids}
              value={draft.type}
              onChange={(event) => onChange({ type: TYPES.find((one) => one === event.target.value) ?? "exact-match" })}
            >
              {TYPES.map((one) => (
                <option key={one} value={one}>
                  {TYPE_NAMES[one]}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field label="Weight">
          {(ids) => (
            <Input
              {...ids}
              inputMode="decimal"
              value={draft.weight}
              onChange={(event) => onChange({ weight: event.target.value })}
            />
          )}
        </Field>
        <IconButton label={`Remove scorer ${index + 1}`} size="md" disabled={!onRemove} onClick={onRemove}>
          <Trash2 aria-hidden className="size-3.5" />
        </IconButton>
      </div>
      <p className="text-ink-3 text-xs">{ABOUT[draft.type]}</p>
      <Fields draft={draft} choices={choices} onChange={onChange} />
      {error && <ErrorNote>{error}</ErrorNote>}
    </fieldset>
  );
}

function Fields({ draft, choices, onChange }: Pick<Props, "draft" | "choices" | "onChange">) {
  const column = (hint: string) => (
    <Field label="Column" optional hint={hint}>
      {(ids) => <Input {...ids} value={draft.column} onChange={(event) => onChange({ column: event.target.value })} />}
    </Field>
  );
  switch (draft.type) {
    case "exact-match":
      return (
        <div className="grid gap-3 sm:grid-cols-2">
          {column("By default the first there is of label, answer, ground_truth and target.")}
          <Checkbox
            label="Upper and lower case are the same"
            className="sm:pt-6"
            checked={draft.ignoreCase}
            onChange={(event) => onChange({ ignoreCase: event.target.checked })}
          />
        </div>
      );
    case "regex":
      return (
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Pattern" hint="As Python reads it; its first group is what it finds.">
            {(ids) => (
              <Input
                {...ids}
                spellCheck={false}
                className="font-mono text-xs"
                placeholder="#### (-?\d+)"
                value={draft.pattern}
                onChange={(event) => onChange({ pattern: event.target.value })}
              />
            )}
          </Field>
          {column("Without one, a match alone scores 1.")}
        </div>
      );
    case "json-schema":
      return (
        <Field label="Schema">
          {(ids) => (
            <Textarea
              {...ids}
              spellCheck={false}
              className="min-h-28 font-mono text-xs"
              placeholder='{"type": "object", "required": ["answer"]}'
              value={draft.schema}
              onChange={(event) => onChange({ schema: event.target.value })}
            />
          )}
        </Field>
      );
    case "reward-function":
      return (
        <Field label="Reward function">
          {(ids) => (
            <Select
              {...ids}
              value={draft.rewardFunctionId}
              onChange={(event) => onChange({ rewardFunctionId: event.target.value })}
            >
              <option value="">Choose one</option>
              {choices?.rewardFunctions.nodes.map((one) => (
                <option key={one.id} value={one.id}>
                  {one.name}
                </option>
              ))}
            </Select>
          )}
        </Field>
      );
    case "judge":
      return (
        <>
          <Field label="Deployment that judges">
            {(ids) => (
              <Select {...ids} value={draft.model} onChange={(event) => onChange({ model: event.target.value })}>
                <option value="">Choose one</option>
                {choices?.deployments.nodes.map((one) => (
                  <option key={one.id} value={one.id}>
                    {one.name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="What it is asked" optional hint="With {input}, {output} and {label} where they belong.">
            {(ids) => <Textarea {...ids} value={draft.prompt} onChange={(event) => onChange({ prompt: event.target.value })} />}
          </Field>
        </>
      );
  }
}
