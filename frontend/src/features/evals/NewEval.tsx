import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useQuery } from "urql";
import { counted } from "@/lib/format";
import type { Json } from "@/lib/graphql";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote, Note } from "@/ui/Empty";
import { Field, Input, Select } from "@/ui/Field";
import { type Failure, useMaking } from "./actions";
import { ChoicesQuery } from "./documents";
import { SamplingFields } from "./SamplingFields";
import { ScorerEditor } from "./ScorerEditor";
import { type Draft, draftOf, SAMPLING, samplingOf, scorerOf } from "./scorers";
import { creating } from "./snippets";

/** A dataset, and how answers to it are scored. */
export function NewEval({ onClose, onDone }: { onClose: () => void; onDone: (id: string) => void }) {
  const [{ data: choices }] = useQuery({ query: ChoicesQuery });
  const { create } = useMaking();
  const [name, setName] = useState("");
  const [chosen, setDataset] = useState<string>();
  const [drafts, setDrafts] = useState<readonly Draft[]>(() => [draftOf()]);
  const [sampling, setSampling] = useState(SAMPLING);
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  const datasets = choices?.datasets.nodes;
  const datasetId = chosen ?? datasets?.[0]?.id ?? "";

  const read = drafts.map(scorerOf);
  const scorers = read.flatMap((one): Json[] => ("scorer" in one ? [one.scorer] : []));
  const sampled = samplingOf(sampling);
  const params = "params" in sampled ? sampled.params : null;
  const change = (key: number, to: Partial<Draft>) => {
    setFailure(undefined);
    setDrafts((was) => was.map((one) => (one.key === key ? { ...one, ...to } : one)));
  };
  const submit = async () => {
    const fields: Record<string, string> = {};
    if (!name.trim()) fields.name = "It has no name yet.";
    if (!datasetId) fields.datasetId = "No dataset is chosen.";
    read.forEach((one, index) => {
      if ("problem" in one) fields[`scorers.${index}`] = one.problem;
    });
    if ("problem" in sampled) fields.generationParams = sampled.problem;
    if (Object.keys(fields).length > 0) return setFailure({ fields, hint: undefined });
    setBusy(true);
    const made = await create({ name: name.trim(), datasetId, scorers, generationParams: params });
    setBusy(false);
    if (typeof made === "string") onDone(made);
    else setFailure(made);
  };
  const wrong = failure?.fields ?? {};
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && !busy && onClose()}
      title="New eval"
      description="What is asked, and how the answers are scored. Models are chosen when it is run."
      footer={
        <>
          <CopyAs title="Create this eval" snippets={() => creating(name.trim() || "my eval", datasetId, scorers, params)} />
          <span className="flex-1" />
          <Button onClick={onClose} disabled={busy}>
            Close
          </Button>
          <Button tone="solid" busy={busy} onClick={() => void submit()}>
            Create the eval
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
        {datasets?.length === 0 && (
          <Note mood="warn">
            There is no dataset yet.{" "}
            <Link to="/datasets" className="underline">
              Upload one
            </Link>{" "}
            first.
          </Note>
        )}
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Name" error={wrong.name}>
            {(ids) => <Input {...ids} value={name} maxLength={128} onChange={(event) => setName(event.target.value)} />}
          </Field>
          <Field label="Dataset" error={wrong.datasetId}>
            {(ids) => (
              <Select {...ids} value={datasetId} onChange={(event) => setDataset(event.target.value)}>
                {datasets?.map((one) => (
                  <option key={one.id} value={one.id}>
                    {one.rowCount === null ? one.name : `${one.name} (${counted(Number(one.rowCount), "row")})`}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        {drafts.map((draft, index) => (
          <ScorerEditor
            key={draft.key}
            draft={draft}
            index={index}
            choices={choices}
            error={wrong[`scorers.${index}`]}
            onChange={(to) => change(draft.key, to)}
            onRemove={drafts.length > 1 ? () => setDrafts((was) => was.filter((one) => one.key !== draft.key)) : undefined}
          />
        ))}
        {wrong.scorers && <ErrorNote hint={failure?.hint}>{wrong.scorers}</ErrorNote>}
        <Button
          size="sm"
          className="self-start"
          icon={<Plus aria-hidden className="size-3.5" />}
          onClick={() => setDrafts((was) => [...was, draftOf()])}
        >
          Add a scorer
        </Button>
        <SamplingFields
          value={sampling}
          onChange={(to) => setSampling((was) => ({ ...was, ...to }))}
          error={wrong.generationParams}
        />
        {wrong[""] && <ErrorNote hint={failure?.hint}>{wrong[""]}</ErrorNote>}
        <button type="submit" hidden />
      </form>
    </Dialog>
  );
}
