import { useState } from "react";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Checkbox, Field, Input } from "@/ui/Field";
import { toast } from "@/ui/Toast";
import { type Refusal, useCreateReward } from "../useCreateReward";
import { WeightsEditor, weightsInput } from "../WeightsEditor";
import type { Draft } from "./draft";
import { toInput } from "./samples";

interface SaveRewardProps {
  draft: Draft;
  onChange: (part: Partial<Draft>) => void;
  onClose: () => void;
  onSaved: (id: string) => void;
  onRefused: (issues: Refusal["issues"]) => void;
}

/** Store what is in the editor as a new reward function: stored ones never change, so that past jobs stay what they were. */
export function SaveReward({ draft, onChange, onClose, onSaved, onRefused }: SaveRewardProps) {
  const [name, setName] = useState(draft.base.startsWith("rf_") ? `${draft.name}, changed` : draft.name);
  const [tried, setTried] = useState(draft.samples.length > 0);
  const [random, setRandom] = useState(false);
  const { create, busy, refusal } = useCreateReward();
  const save = async () => {
    const made = await create({
      name: name.trim(),
      source: draft.source,
      format: draft.format,
      fileName: draft.fileName,
      weights: weightsInput(draft.weights),
      samples: tried ? draft.samples.map(toInput) : null,
      allowNondeterministic: random,
    });
    if (!made) return;
    toast(`${made.name} was stored.`, { mood: "good" });
    onSaved(made.id);
  };
  const { name: nameError, weights: weightsError, ...others } = refusal.fields;
  const other = Object.values(others).join(" ");
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (open) return;
        onRefused(refusal.issues);
        onClose();
      }}
      title="Save as a new reward function"
      description="Stored functions do not change: a job that ran keeps what it ran with."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="solid" busy={busy} disabled={!name.trim()} onClick={() => void save()}>
            Save
          </Button>
        </>
      }
    >
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim()) void save();
        }}
      >
        <Field label="Name" error={nameError}>
          {(ids) => <Input {...ids} autoFocus value={name} onChange={(event) => setName(event.target.value)} />}
        </Field>
        <WeightsEditor weights={draft.weights} onChange={(weights) => onChange({ weights })} error={weightsError} />
        <Checkbox
          label={`Try it on the ${draft.samples.length} samples of the playground`}
          hint="Else on made-up completions, which know nothing of your columns."
          checked={tried}
          disabled={draft.samples.length === 0}
          onChange={(event) => setTried(event.target.checked)}
        />
        <Checkbox
          label="It may give different answers for the same completions"
          checked={random}
          onChange={(event) => setRandom(event.target.checked)}
        />
        {other && <ErrorNote hint={refusal.hint}>{other}</ErrorNote>}
        {refusal.issues.map((issue) => (
          <p key={`${issue.line} ${issue.message}`} className="whitespace-pre-wrap break-words text-bad text-xs">
            {issue.line !== null && <span className="font-medium">Line {issue.line}: </span>}
            {issue.message}
          </p>
        ))}
      </form>
    </Dialog>
  );
}
