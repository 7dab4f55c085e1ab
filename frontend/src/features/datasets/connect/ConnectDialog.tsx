import { useRef, useState } from "react";
import { useClient } from "urql";
import { byField, sentence, type UserError } from "@/lib/errors";
import { newKey } from "@/lib/idempotency";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import { ConnectDataset, ValidateDatasetSource, type Validation } from "../documents";
import { connectSnippets } from "../snippets";
import type { MadeDataset } from "../upload/useUpload";
import { Credentials } from "./Credentials";
import { Look } from "./Look";
import { Mapping } from "./Mapping";
import { SourceFields } from "./SourceFields";
import { EMPTY, hasSecrets, isFilled, kindOf, type SourceForm, suggestedName, toInput } from "./sources";

const FIELDS = [
  "name",
  "sourceType",
  "sourceUri",
  "huggingfaceDataset",
  "huggingfaceConfig",
  "dbConnection",
  "dbQuery",
  "columnMapping",
];

/** Describe a source, look into it, keep it as a dataset. */
export function ConnectDialog({ onClose, onDone }: { onClose: () => void; onDone: (dataset: MadeDataset) => void }) {
  const client = useClient();
  const [form, setForm] = useState<SourceForm>(EMPTY);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [found, setFound] = useState<Validation | null>(null);
  const [busy, setBusy] = useState<"look" | "connect" | null>(null);
  // The same connection, pressed twice or tried again, is one dataset.
  const attempt = useRef(newKey());
  const name = form.name.trim() || suggestedName(form);

  const change = (part: Partial<SourceForm>) => {
    attempt.current = newKey();
    setForm((was) => ({ ...was, ...part }));
    if (!("name" in part)) setFound(null);
    setErrors({});
  };
  const refused = (wrong: readonly UserError[]) => {
    const names = kindOf(form.type).credentials.map((one) => `credentials.${one.name}`);
    setErrors(byField(wrong, [...FIELDS, ...names, "credentials"]));
  };

  const look = async () => {
    setBusy("look");
    setErrors({});
    const { data, error } = await client.mutation(ValidateDatasetSource, { input: toInput(form) }).toPromise();
    setBusy(null);
    if (error) setErrors({ "": sentence(error) });
    else if (data?.validateDatasetSource.validation) setFound(data.validateDatasetSource.validation);
    else refused(data?.validateDatasetSource.errors ?? []);
  };
  const connect = async () => {
    setBusy("connect");
    setErrors({});
    const input = { ...toInput(form), name, idempotencyKey: attempt.current };
    const { data, error } = await client.mutation(ConnectDataset, { input }).toPromise();
    setBusy(null);
    if (error) setErrors({ "": sentence(error) });
    else if (data?.connectDataset.dataset) onDone(data.connectDataset.dataset);
    else refused(data?.connectDataset.errors ?? []);
  };

  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && busy !== "connect" && onClose()}
      title="Connect a dataset"
      description="Rows that stay where they are until a job needs them."
      footer={
        <>
          <CopyAs title="Connect this source" snippets={() => connectSnippets(toInput(form), name)} />
          <span className="flex-1" />
          <Button busy={busy === "look"} disabled={!isFilled(form) || busy !== null} onClick={() => void look()}>
            Look into it
          </Button>
          <Button
            tone="solid"
            busy={busy === "connect"}
            disabled={!found?.valid || !name || busy !== null}
            title={found?.valid ? undefined : "Look into it first"}
            onClick={() => void connect()}
          >
            Connect
          </Button>
        </>
      }
    >
      <div className="flex min-w-0 flex-col gap-3">
        <SourceFields form={form} errors={errors} change={change} />
        <Mapping
          mapping={form.mapping}
          columns={found?.columns ?? []}
          error={errors.columnMapping}
          onChange={(mapping) => change({ mapping })}
        />
        <Credentials form={form} errors={errors} change={change} />
        <Field label="Name" hint="How it will be listed." error={errors.name}>
          {(ids) => (
            <Input
              {...ids}
              value={form.name}
              maxLength={128}
              placeholder={suggestedName(form)}
              onChange={(event) => change({ name: event.target.value })}
            />
          )}
        </Field>
        {errors[""] && <ErrorNote>{errors[""]}</ErrorNote>}
        {found && <Look found={found} />}
        <p className="text-ink-3 text-xs" aria-live="polite">
          {busy === "connect" && hasSecrets(form)
            ? "Reading all of it now, because credentials are not kept. This may take minutes."
            : "Without credentials the first job reads it, and later ones use what was read."}
        </p>
      </div>
    </Dialog>
  );
}
