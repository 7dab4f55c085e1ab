import { Checkbox, Field, Input, Select } from "@/ui/Field";
import type { DestinationType, Draft, Weights } from "./draft";
import { isName } from "./draft";
import { Section } from "./Section";

interface OutputSectionProps {
  number: number;
  draft: Draft;
  /** Whether an adapter is trained, on top of the base model. */
  hasAdapter: boolean;
  change: (part: Partial<Draft>) => void;
  suggested: string;
  errors: Readonly<Record<string, string>>;
  state: "done" | "open" | "wrong";
}

const HINTS: Record<DestinationType, string> = {
  veri: "It is kept here and can be downloaded and deployed.",
  s3: "Kept here, and delivered to a folder that the operator has opened.",
  hf: "Kept here, and delivered to a repository, with the account's Hugging Face integration.",
};

/** What the trained model is called, and where else it goes. */
export function OutputSection({ number, draft, hasAdapter, change, suggested, errors, state }: OutputSectionProps) {
  const { destination } = draft;
  const name = draft.outputName.trim();
  const nameError =
    name && !isName(name) ? "Letters, digits, dots, dashes and underscores; a letter or digit first." : errors.outputName;
  const to = (part: Partial<Draft["destination"]>) => change({ destination: { ...destination, ...part } });
  return (
    <Section id="output" number={number} title="Result" hint="What the trained model is called, and where it goes." state={state}>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Name of the trained model" error={nameError}>
          {(ids) => (
            <Input
              {...ids}
              value={draft.outputName}
              placeholder={suggested || "my-model"}
              maxLength={128}
              spellCheck={false}
              onChange={(event) => change({ outputName: event.target.value })}
            />
          )}
        </Field>
        <Field label="Where it goes" hint={HINTS[destination.type]} error={errors.checkpointDestination}>
          {(ids) => (
            <Select {...ids} value={destination.type} onChange={(event) => to({ type: event.target.value as DestinationType })}>
              <option value="veri">This platform's storage</option>
              <option value="s3">Also to S3</option>
              <option value="hf">Also to Hugging Face</option>
            </Select>
          )}
        </Field>
        <WeightsField draft={draft} hasAdapter={hasAdapter} error={errors["checkpointDestination.weights"]} onChange={to} />
        {destination.type === "s3" && (
          <div className="flex flex-col gap-2 sm:col-start-2 sm:row-start-2">
            <Field label="Folder" error={errors["checkpointDestination.uri"]}>
              {(ids) => (
                <Input
                  {...ids}
                  value={destination.uri}
                  placeholder="s3://bucket/folder"
                  spellCheck={false}
                  onChange={(event) => to({ uri: event.target.value })}
                />
              )}
            </Field>
            <Checkbox
              label="As one .tar.gz"
              checked={destination.archive}
              onChange={(event) => to({ archive: event.target.checked })}
            />
          </div>
        )}
        {destination.type === "hf" && (
          <div className="flex flex-col gap-2 sm:col-start-2 sm:row-start-2">
            <Field label="Repository" error={errors["checkpointDestination.repo"]}>
              {(ids) => (
                <Input
                  {...ids}
                  value={destination.repo}
                  placeholder="owner/name"
                  spellCheck={false}
                  onChange={(event) => to({ repo: event.target.value })}
                />
              )}
            </Field>
            <Checkbox
              label="Private, where it has to be made"
              checked={destination.private}
              onChange={(event) => to({ private: event.target.checked })}
            />
          </div>
        )}
      </div>
      <Checkbox
        label="End it when its client has gone"
        hint="For programs that send heartbeats: it ends 300 seconds after the last one. Closing this page never ends a job."
        checked={draft.heartbeat}
        onChange={(event) => change({ heartbeat: event.target.checked })}
      />
    </Section>
  );
}

interface WeightsFieldProps {
  draft: Draft;
  hasAdapter: boolean;
  error: string | undefined;
  onChange: (part: Partial<Draft["destination"]>) => void;
}

const ABOUT: Record<Exclude<Weights, "">, string> = {
  merged: "Whole weights, with the adapter worked into them: any program loads them.",
  adapter: "The adapter alone: small, and loaded on top of the base model.",
  both: "The whole weights, and the adapter beside them.",
};

/** Which weights are delivered: a choice where an adapter is trained, and what was chosen before where it no longer is. */
function WeightsField({ draft, hasAdapter, error, onChange }: WeightsFieldProps) {
  const { weights } = draft.destination;
  if (draft.method === "sft_video_gen")
    return <p className="self-center text-ink-2 text-xs">A video model is delivered as its adapter, which diffusers loads.</p>;
  if (!hasAdapter && !weights)
    return (
      <p className="self-center text-ink-2 text-xs">
        Whole weights are delivered. With <code className="font-mono text-2xs">lora_rank</code> an adapter is trained, and can be
        delivered alone.
      </p>
    );
  return (
    <Field label="Weights" hint={weights ? ABOUT[weights] : "What the platform takes for this method by itself."} error={error}>
      {(ids) => (
        <Select {...ids} value={weights} onChange={(event) => onChange({ weights: event.target.value as Weights })}>
          <option value="">Default</option>
          <option value="merged">Merged</option>
          <option value="adapter">Adapter</option>
          <option value="both">Both</option>
        </Select>
      )}
    </Field>
  );
}
