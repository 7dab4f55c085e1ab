import { Field, Input, Textarea } from "@/ui/Field";
import type { Advanced } from "./draft";

interface Props {
  advanced: Advanced;
  /** A revision and a token are of models of Hugging Face alone. */
  ofHuggingFace: boolean;
  errors: Record<string, string>;
  onChange: (to: Partial<Advanced>) => void;
}

/** What the engine is told, and how a closed model is read. */
export function AdvancedFields({ advanced, ofHuggingFace, errors, onChange }: Props) {
  return (
    <div className="flex flex-col gap-3">
      {ofHuggingFace && (
        <div className="grid items-start gap-3 sm:grid-cols-2">
          <Field label="Revision" hint="A commit, branch or tag." error={errors.revision} optional>
            {(ids) => (
              <Input
                {...ids}
                value={advanced.revision}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => onChange({ revision: event.target.value.trim() })}
              />
            )}
          </Field>
          <Field label="Hugging Face token" hint="For closed models; kept encrypted." error={errors.hfToken} optional>
            {(ids) => (
              <Input
                {...ids}
                type="password"
                value={advanced.hfToken}
                autoComplete="off"
                onChange={(event) => onChange({ hfToken: event.target.value.trim() })}
              />
            )}
          </Field>
        </div>
      )}
      <Field
        label="Requests at once"
        hint="How many a replica works on; else the engine decides."
        error={errors.maxBatchSize}
        optional
      >
        {(ids) => (
          <Input
            {...ids}
            type="number"
            min={1}
            max={1024}
            value={advanced.maxBatchSize}
            onChange={(event) => onChange({ maxBatchSize: event.target.value })}
          />
        )}
      </Field>
      <Field label="Arguments of the engine" hint="Flags of vLLM, of those that are allowed." error={errors.extraArgs} optional>
        {(ids) => (
          <Textarea
            {...ids}
            rows={2}
            className="min-h-14 font-mono"
            value={advanced.extraArgs}
            placeholder="--max-model-len=4096"
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => onChange({ extraArgs: event.target.value })}
          />
        )}
      </Field>
    </div>
  );
}

export const ADVANCED_FIELDS = ["revision", "hfToken", "maxBatchSize", "extraArgs"];
