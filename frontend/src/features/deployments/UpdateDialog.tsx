import { type FormEvent, useState } from "react";
import { byField, sentence } from "@/lib/errors";
import { useAttempt } from "@/lib/idempotency";
import { useAction } from "@/lib/useAction";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import { toast } from "@/ui/Toast";
import { UpdateMutation } from "./actions";
import { ModelChoice, type Source, sourceOf } from "./ModelChoice";
import type { Deployment } from "./queries";
import { updating } from "./snippets";
import { useChoices } from "./useChoices";

interface Props {
  deployment: Deployment;
  onClose: () => void;
  onDone: () => void;
}

/** Another model under the same name. */
export default function UpdateDialog({ deployment, onClose, onDone }: Props) {
  const given = deployment.source === "ADOPTED" ? "" : deployment.model;
  const [source, setSource] = useState<Source>(sourceOf(given));
  const [chosen, setChosen] = useState(given);
  const [revision, setRevision] = useState("");
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const keyOf = useAttempt();
  const update = useAction(UpdateMutation, (data) => data.updateDeployment.errors);
  const { choices, jobs, error } = useChoices(given);
  const model = chosen || (source === "TRAINING_JOB" ? (jobs[0]?.id ?? "") : "");
  const to = { model, source, ...(source === "HUGGINGFACE" && revision ? { revision } : {}) };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const input = { id: deployment.id, ...to };
    setBusy(true);
    const refused = await update({ input: { ...input, idempotencyKey: keyOf(input) } });
    setBusy(false);
    if (refused)
      return setErrors(refused.errors.length ? byField(refused.errors, ["model", "revision"]) : { "": refused.message });
    toast(`Replicas of the new version of ${deployment.name} start.`);
    onDone();
    onClose();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Update ${deployment.name}`}
      description={`It serves version ${deployment.version} now. Replicas of the new one take over one by one, and no request fails.`}
      footer={
        <>
          <span className="mr-auto">
            <CopyAs title="Update it" snippets={() => updating(deployment.id, to)} />
          </span>
          <Button onClick={onClose}>Back</Button>
          <Button tone="solid" type="submit" form="update" busy={busy} disabled={!model}>
            Update
          </Button>
        </>
      }
    >
      <form id="update" onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        {errors[""] && <ErrorNote>{errors[""]}</ErrorNote>}
        {error && <ErrorNote>{sentence(error)}</ErrorNote>}
        <ModelChoice
          source={source}
          model={source === "TRAINING_JOB" ? model : chosen}
          jobs={jobs}
          choices={choices}
          error={errors.model}
          onSource={(next) => {
            setSource(next);
            setChosen("");
            setErrors({});
          }}
          onModel={setChosen}
        />
        {source === "HUGGINGFACE" && (
          <Field label="Revision" hint="A commit, branch or tag; else the newest." error={errors.revision} optional>
            {(ids) => (
              <Input
                {...ids}
                value={revision}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => setRevision(event.target.value.trim())}
              />
            )}
          </Field>
        )}
        <p className="text-ink-3 text-xs">
          While they take over, one replica more than now may run, and is charged. If the new version does not get ready, the one
          that serves now goes on.
        </p>
      </form>
    </Dialog>
  );
}
