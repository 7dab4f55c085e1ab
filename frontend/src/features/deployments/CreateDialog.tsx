import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useMutation, useQuery } from "urql";
import { byField, sentence } from "@/lib/errors";
import { usd } from "@/lib/format";
import { useAttempt } from "@/lib/idempotency";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input, Select } from "@/ui/Field";
import { Tabs } from "@/ui/Tabs";
import { type CreateInput, CreateMutation } from "./actions";
import { ChoicesQuery, OfferQuery } from "./queries";
import { creating } from "./snippets";

const SOURCES = [
  { id: "TRAINING_JOB", label: "A trained model" },
  { id: "HUGGINGFACE", label: "A base model" },
] as const;
type Source = (typeof SOURCES)[number]["id"];
const FIELDS = ["model", "name", "hardware"] as const;

/** What calls would name it by: letters, digits and `._-`, from the name of the model. */
export const nameFrom = (model: string): string =>
  (model.split("/").at(-1) ?? "")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+|-+$/g, "")
    .slice(0, 64);

/** Asks for a model, hardware and a name, with the price beside the button. */
export function CreateDialog({ model: given, onClose }: { model: string; onClose: () => void }) {
  const navigate = useNavigate();
  const [source, setSource] = useState<Source>(given && !given.startsWith("job_") ? "HUGGINGFACE" : "TRAINING_JOB");
  const [chosen, setChosen] = useState(given);
  const [name, setName] = useState<string | null>(null);
  const [type, setType] = useState<string | null>(null);
  const [count, setCount] = useState(1);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const keyOf = useAttempt();
  const [{ data: choices, error: unread }] = useQuery({ query: ChoicesQuery });
  // A job beyond the newest hundred is asked for by its id.
  const isListed = !given.startsWith("job_") || choices === undefined || choices.jobs.nodes.some((one) => one.id === given);
  const [{ data: named }] = useQuery({ query: ChoicesQuery, variables: { search: given }, pause: isListed });
  const jobs = [...(choices?.jobs.nodes ?? []), ...(isListed ? [] : (named?.jobs.nodes ?? []))];
  const [{ fetching }, create] = useMutation(CreateMutation);

  const types = ["CPU", ...new Set(choices?.rates.map((one) => one.gpuType).filter((one) => one !== "CPU"))];
  const hardware = type ?? types[0] ?? "CPU";
  const [{ data: offered }] = useQuery({ query: OfferQuery, variables: { type: hardware, count } });
  const offer = offered?.hardwareOffers[0];
  const model = chosen || (source === "TRAINING_JOB" ? (jobs[0]?.id ?? "") : (choices?.baseModels[0]?.name ?? ""));
  const called = name ?? nameFrom(source === "TRAINING_JOB" ? (jobs.find((one) => one.id === model)?.outputName ?? "") : model);
  const input: CreateInput = { source, model, name: called, hardware: { type: hardware, count } };
  const elsewhere = offer && (offer.hardware.type !== hardware || offer.hardware.count !== count);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const result = await create({ input: { ...input, idempotencyKey: keyOf(input) } });
    if (result.error) return setErrors({ "": sentence(result.error) });
    const answer = result.data?.createDeployment;
    if (answer?.errors.length) return setErrors(byField(answer.errors, FIELDS));
    const id = answer?.deployment?.id;
    if (id) void navigate({ to: "/deployments/$id", params: { id } });
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Deploy a model"
      description="It is kept ready and answers the OpenAI API until you stop it."
      footer={
        <>
          <span className="mr-auto self-center text-sm">
            {offer ? (
              <>
                <span className="font-semibold tabular-nums">{usd(offer.pricePerHour.amount)}</span>
                <span className="text-ink-3"> an hour while it runs</span>
              </>
            ) : (
              <span className="text-ink-3">Price…</span>
            )}
          </span>
          <CopyAs title="Deploy a model" snippets={() => creating(input)} />
          <Button tone="solid" type="submit" form="deploy" busy={fetching} disabled={!model || !called}>
            Deploy
          </Button>
        </>
      }
    >
      <form id="deploy" onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        {errors[""] && <ErrorNote>{errors[""]}</ErrorNote>}
        {unread && <ErrorNote>{sentence(unread)}</ErrorNote>}
        <Tabs
          label="What to deploy"
          tabs={SOURCES}
          value={source}
          onChange={(to) => {
            setSource(to);
            setChosen("");
            setErrors({});
          }}
        >
          {source === "TRAINING_JOB" ? (
            <Field label="Completed job" hint="Its final checkpoint is served." error={errors.model}>
              {(ids) => (
                <Select {...ids} value={model} onChange={(event) => setChosen(event.target.value)} disabled={jobs.length === 0}>
                  {jobs.length === 0 && <option value="">{choices ? "No job has completed yet" : "…"}</option>}
                  {jobs.map((one) => (
                    <option key={one.id} value={one.id}>
                      {one.outputName} · {one.baseModel} · {one.id.slice(-6)}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
          ) : (
            <Field label="Model" hint="One that is registered here, or any of Hugging Face by its id." error={errors.model}>
              {(ids) => (
                <>
                  <Input
                    {...ids}
                    list="base-models"
                    value={chosen}
                    placeholder={choices?.baseModels[0]?.name ?? "Qwen/Qwen3-0.6B"}
                    onChange={(event) => setChosen(event.target.value.trim())}
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
        <div className="grid gap-4 sm:grid-cols-[1fr_6rem]">
          <Field
            label="Hardware"
            error={errors.hardware}
            hint={
              elsewhere && offer
                ? `Runs on ${offer.hardware.count > 1 ? `${offer.hardware.count} × ` : ""}${offer.hardware.type} here: this installation has no such GPU.`
                : undefined
            }
          >
            {(ids) => (
              <Select {...ids} value={hardware} onChange={(event) => setType(event.target.value)}>
                {types.map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="Count">
            {(ids) => (
              <Select {...ids} value={count} onChange={(event) => setCount(Number(event.target.value))}>
                {[1, 2, 4, 8].map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <Field label="Name" hint="What calls name as their model. Unique among what is active." error={errors.name}>
          {(ids) => (
            <Input
              {...ids}
              value={called}
              maxLength={128}
              autoComplete="off"
              spellCheck={false}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}
