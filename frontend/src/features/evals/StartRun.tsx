import { useState } from "react";
import { useQuery } from "urql";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input, Select } from "@/ui/Field";
import { type Failure, useMaking } from "./actions";
import { ChoicesQuery, type Eval } from "./documents";
import { SamplingFields } from "./SamplingFields";
import { SAMPLING, samplingOf } from "./scorers";
import { starting } from "./snippets";

const TYPED = "typed";
const GONE = ["STOPPED", "FAILED"];

/** Which model answers this time, and how much of the dataset. */
export function StartRun({ eval: one, onClose, onDone }: { eval: Eval; onClose: () => void; onDone: (id: string) => void }) {
  const [{ data: choices }] = useQuery({ query: ChoicesQuery });
  const { start } = useMaking();
  const [chosen, setChosen] = useState<string>();
  const [typed, setTyped] = useState("");
  const [rows, setRows] = useState("");
  const [sampling, setSampling] = useState(SAMPLING);
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  const deployments = choices?.deployments.nodes.filter((each) => !GONE.includes(each.status)) ?? [];
  const jobs = choices?.jobs.nodes ?? [];
  const picked = chosen ?? deployments[0]?.id ?? jobs[0]?.id ?? TYPED;
  const model = picked === TYPED ? typed.trim() : picked;
  const sampled = samplingOf(sampling);
  const params = "params" in sampled ? sampled.params : null;
  const numSamples = rows.trim() ? Number(rows) : null;

  const submit = async () => {
    const fields: Record<string, string> = {};
    if (!model) fields.model = "No model is named yet.";
    if (numSamples !== null && !Number.isInteger(numSamples)) fields.numSamples = "This is not a whole number.";
    if ("problem" in sampled) fields.generationParams = sampled.problem;
    if (Object.keys(fields).length > 0) return setFailure({ fields, hint: undefined });
    setBusy(true);
    const made = await start({ evalId: one.id, model, numSamples, generationParams: params });
    setBusy(false);
    if (typeof made === "string") onDone(made);
    else setFailure(made);
  };
  const wrong = failure?.fields ?? {};
  const other = [wrong[""], wrong.hardware].filter(Boolean).join(" ");
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && !busy && onClose()}
      title="Start a run"
      description={`A model answers the rows of ${one.dataset.name}, below the interactive traffic.`}
      footer={
        <>
          <CopyAs title="Start this run" snippets={() => starting(one.id, model || "my-model", numSamples, params)} />
          <span className="flex-1" />
          <Button onClick={onClose} disabled={busy}>
            Close
          </Button>
          <Button tone="solid" busy={busy} onClick={() => void submit()}>
            Start the run
          </Button>
        </>
      }
    >
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <div className="grid gap-3 sm:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
          <Field
            label="Model"
            error={picked === TYPED ? undefined : wrong.model}
            hint={
              deployments.some((each) => each.id === picked)
                ? undefined
                : "Where no deployment serves it, one is made for this run and stopped after it."
            }
          >
            {(ids) => (
              <Select {...ids} value={picked} onChange={(event) => setChosen(event.target.value)}>
                {deployments.length > 0 && (
                  <optgroup label="Deployments">
                    {deployments.map((each) => (
                      <option key={each.id} value={each.id}>
                        {each.name}
                      </option>
                    ))}
                  </optgroup>
                )}
                {jobs.length > 0 && (
                  <optgroup label="Trained models">
                    {jobs.map((each) => (
                      <option key={each.id} value={each.id}>
                        {each.outputName}
                      </option>
                    ))}
                  </optgroup>
                )}
                <option value={TYPED}>A base model, by its name…</option>
              </Select>
            )}
          </Field>
          <Field
            label="Rows"
            optional
            error={wrong.numSamples}
            hint={one.dataset.rowCount === null ? "From the first on." : `Of ${one.dataset.rowCount}, from the first on.`}
          >
            {(ids) => (
              <Input
                {...ids}
                inputMode="numeric"
                placeholder="all"
                value={rows}
                onChange={(event) => setRows(event.target.value)}
              />
            )}
          </Field>
        </div>
        {picked === TYPED && (
          <Field label="Base model" error={wrong.model}>
            {(ids) => (
              <Input
                {...ids}
                spellCheck={false}
                placeholder="Qwen/Qwen2.5-0.5B-Instruct"
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
              />
            )}
          </Field>
        )}
        <SamplingFields
          value={sampling}
          onChange={(to) => setSampling((was) => ({ ...was, ...to }))}
          error={wrong.generationParams}
        />
        {other && <ErrorNote hint={failure?.hint}>{other}</ErrorNote>}
        <button type="submit" hidden />
      </form>
    </Dialog>
  );
}
