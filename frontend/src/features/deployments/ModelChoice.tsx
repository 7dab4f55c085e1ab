import { Field, Input, Select } from "@/ui/Field";
import { Tabs } from "@/ui/Tabs";
import type { CompletedJob, useChoices } from "./useChoices";

const SOURCES = [
  { id: "TRAINING_JOB", label: "A trained model" },
  { id: "HUGGINGFACE", label: "A base model" },
] as const;
export type Source = (typeof SOURCES)[number]["id"];

/** Which of the two a reference is of. */
export const sourceOf = (model: string): Source => (model === "" || /^(job|ckpt)_/.test(model) ? "TRAINING_JOB" : "HUGGINGFACE");

interface Props {
  source: Source;
  /** What was chosen; empty leaves it to the first there is. */
  model: string;
  jobs: readonly CompletedJob[];
  choices: ReturnType<typeof useChoices>["choices"];
  error: string | undefined;
  onSource: (to: Source) => void;
  onModel: (to: string) => void;
}

/** What is to be served: the model of a completed job or one of its checkpoints, or one by name. */
export function ModelChoice({ source, model, jobs, choices, error, onSource, onModel }: Props) {
  const isElsewhere = model.startsWith("ckpt_");
  return (
    <Tabs label="What to serve" tabs={SOURCES} value={source} onChange={onSource}>
      {source === "TRAINING_JOB" ? (
        <Field label="Completed job" hint="Its trained model is served." error={error}>
          {(ids) => (
            <Select
              {...ids}
              value={model}
              onChange={(event) => onModel(event.target.value)}
              disabled={jobs.length === 0 && !isElsewhere}
            >
              {jobs.length === 0 && !isElsewhere && <option value="">{choices ? "No job has completed yet" : "…"}</option>}
              {isElsewhere && <option value={model}>Checkpoint {model}</option>}
              {jobs.map((one) => (
                <option key={one.id} value={one.id}>
                  {one.outputName} · {one.baseModel} · {one.id.slice(-6)}
                </option>
              ))}
            </Select>
          )}
        </Field>
      ) : (
        <Field label="Model" hint="One that is registered here, or any of Hugging Face by its id." error={error}>
          {(ids) => (
            <>
              <Input
                {...ids}
                list="base-models"
                value={model}
                placeholder={choices?.baseModels[0]?.name ?? "Qwen/Qwen3-0.6B"}
                onChange={(event) => onModel(event.target.value.trim())}
                autoComplete="off"
                spellCheck={false}
              />
              <datalist id="base-models">
                {choices?.baseModels.map((one) => (
                  <option key={one.name} value={one.name} />
                ))}
              </datalist>
            </>
          )}
        </Field>
      )}
    </Tabs>
  );
}
