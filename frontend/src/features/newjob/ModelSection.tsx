import { X } from "lucide-react";
import { BaseModelInput } from "@/features/datasets";
import { IconButton } from "@/ui/Button";
import { Field, Input } from "@/ui/Field";
import type { Hyperparameter } from "./documents";
import type { Draft } from "./draft";
import { Hyperparameters } from "./Hyperparameters";
import { Section } from "./Section";

interface ModelSectionProps {
  number: number;
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  specs: readonly Hyperparameter[];
  errors: Readonly<Record<string, string>>;
  state: "done" | "open" | "wrong";
}

const TEXT_MODEL = "Qwen/Qwen3-0.6B";
const EXAMPLES: Record<string, string> = { sft_video_gen: "zai-org/CogVideoX-2b" };

/** What learns, and how. */
export function ModelSection({ number, draft, change, specs, errors, state }: ModelSectionProps) {
  const own = Object.fromEntries(
    Object.entries(errors).flatMap(([field, message]) =>
      field.startsWith("hyperparameters.") ? [[field.slice("hyperparameters.".length), message]] : [],
    ),
  );
  return (
    <Section
      id="model"
      number={number}
      title="Model and hyperparameters"
      hint="A registered model or any of Hugging Face, and how it is trained."
      state={state}
    >
      <Field
        label="Base model"
        hint={`The name of a registered model, or an id of Hugging Face such as ${EXAMPLES[draft.method] ?? TEXT_MODEL}.`}
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
      <Hyperparameters specs={specs} texts={draft.params} errors={own} onChange={(params) => change({ params })} />
    </Section>
  );
}
