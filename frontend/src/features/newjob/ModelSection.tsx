import { X } from "lucide-react";
import { BaseModelInput } from "@/features/datasets";
import { methodName } from "@/lib/format";
import { IconButton } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Field, Input } from "@/ui/Field";
import type { Hyperparameter, Method } from "./documents";
import type { Draft } from "./draft";
import { Hyperparameters } from "./Hyperparameters";
import { Section } from "./Section";

interface ModelSectionProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  methods: readonly Method[] | undefined;
  specs: readonly Hyperparameter[];
  errors: Readonly<Record<string, string>>;
  state: "done" | "open" | "wrong";
}

/** What learns, and how. */
export function ModelSection({ draft, change, methods, specs, errors, state }: ModelSectionProps) {
  const own = Object.fromEntries(
    Object.entries(errors).flatMap(([field, message]) =>
      field.startsWith("hyperparameters.") ? [[field.slice("hyperparameters.".length), message]] : [],
    ),
  );
  return (
    <Section
      id="model"
      number={3}
      title="Model and method"
      hint="A registered model or any of Hugging Face, and how it learns."
      state={state}
    >
      <Field
        label="Base model"
        hint="The name of a registered model, or an id of Hugging Face such as Qwen/Qwen3-0.6B."
        error={errors.baseModel}
      >
        {(ids) => <BaseModelInput {...ids} value={draft.baseModel} onChange={(baseModel) => change({ baseModel })} />}
      </Field>
      {draft.resumeFrom && (
        <Field
          label="Goes on from"
          hint="A checkpoint of another job: its steps count on. The base model, method and lora_rank stay the same."
          error={errors.resumeFrom}
        >
          {(ids) => (
            <span className="flex items-center gap-1">
              <Input
                {...ids}
                className="font-mono text-xs"
                value={draft.resumeFrom}
                onChange={(event) => change({ resumeFrom: event.target.value })}
              />
              <IconButton label="Start afresh instead" onClick={() => change({ resumeFrom: "" })}>
                <X aria-hidden className="size-3.5" />
              </IconButton>
            </span>
          )}
        </Field>
      )}
      <fieldset className="flex flex-col gap-1">
        <legend className="mb-1 font-medium text-xs">Method</legend>
        <div className="grid gap-2 sm:grid-cols-2">
          {methods?.map((one) => {
            const name = one.method.toLowerCase();
            return (
              <label
                key={name}
                className={cx(
                  "flex gap-2.5 rounded-md border px-3 py-2 text-sm",
                  draft.method === name ? "border-accent bg-selected" : "border-line",
                  one.unavailable ? "cursor-not-allowed text-ink-3" : "cursor-pointer hover:border-line-strong",
                )}
              >
                <input
                  type="radio"
                  name="method"
                  className="mt-1 shrink-0 self-start accent-accent"
                  checked={draft.method === name}
                  disabled={one.unavailable !== null && draft.method !== name}
                  onChange={() => change({ method: name, params: {} })}
                />
                <span>
                  <span className="font-medium">{methodName(name)}</span>
                  <span className="block text-xs">{one.description}</span>
                  {one.unavailable && <span className="block text-warn text-xs">{one.unavailable}</span>}
                </span>
              </label>
            );
          })}
        </div>
        {errors.method && (
          <p role="alert" className="text-bad text-xs">
            {errors.method}
          </p>
        )}
      </fieldset>
      <Hyperparameters specs={specs} texts={draft.params} errors={own} onChange={(params) => change({ params })} />
    </Section>
  );
}
