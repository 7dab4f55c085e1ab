import { useNavigate } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useMutation, useQuery } from "urql";
import { byField, sentence } from "@/lib/errors";
import { usd } from "@/lib/format";
import { useAttempt } from "@/lib/idempotency";
import { OfferQuery } from "@/lib/offers";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input, Select } from "@/ui/Field";
import { ADVANCED_FIELDS, AdvancedFields } from "./AdvancedFields";
import { type CreateInput, CreateMutation } from "./actions";
import { advancedOf, changed, draftOf, PLAIN, scalingOf } from "./draft";
import { ModelChoice, type Source, sourceOf } from "./ModelChoice";
import { nameFrom } from "./names";
import { SCALING_FIELDS, ScalingFields } from "./ScalingFields";
import { DEFAULTS, priceRange } from "./scaling";
import { creating } from "./snippets";
import { useChoices } from "./useChoices";

const FIELDS = ["model", "name", "hardware", ...SCALING_FIELDS, ...ADVANCED_FIELDS];

/** Asks for a model, hardware and a name, and for how it scales, with the price beside the button. */
export function CreateDialog({ model: given, onClose }: { model: string; onClose: () => void }) {
  const navigate = useNavigate();
  const [source, setSource] = useState<Source>(sourceOf(given));
  const [chosen, setChosen] = useState(given);
  const [name, setName] = useState<string | null>(null);
  const [type, setType] = useState<string | null>(null);
  const [count, setCount] = useState(1);
  const [draft, setDraft] = useState(() => draftOf(DEFAULTS));
  const [advanced, setAdvanced] = useState(PLAIN);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const keyOf = useAttempt();
  const { choices, jobs, error: unread } = useChoices(given);
  const [{ fetching }, create] = useMutation(CreateMutation);

  const types = ["CPU", ...new Set(choices?.rates.map((one) => one.gpuType).filter((one) => one !== "CPU"))];
  const model = chosen || (source === "TRAINING_JOB" ? (jobs[0]?.id ?? "") : (choices?.baseModels[0]?.name ?? ""));
  const job = source === "TRAINING_JOB" ? jobs.find((one) => one.id === model) : undefined;
  // What it was trained on serves it too.
  const hardware = type ?? types.find((one) => one === job?.hardwareRequested.type) ?? types[0] ?? "CPU";
  const [{ data: offered }] = useQuery({ query: OfferQuery, variables: { type: hardware, count } });
  const offer = offered?.hardwareOffers[0];
  const called = name ?? nameFrom(job?.outputName ?? (source === "HUGGINGFACE" ? model : ""));
  const scaling = scalingOf(draft) ?? DEFAULTS;
  const input: CreateInput = {
    source,
    model,
    name: called,
    hardware: { type: hardware, count },
    ...changed(scaling),
    ...advancedOf(advanced, source === "HUGGINGFACE"),
  };
  const elsewhere = offer && (offer.hardware.type !== hardware || offer.hardware.count !== count);
  const [least, most] = priceRange(scaling, Number(offer?.pricePerHour.amount ?? 0));

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const result = await create({ input: { ...input, idempotencyKey: keyOf(input) } });
    if (result.error) return setErrors({ "": sentence(result.error) });
    const answer = result.data?.createDeployment;
    if (answer?.errors.length) return setErrors(byField(answer.errors, FIELDS));
    const id = answer?.deployment?.id;
    if (id) void navigate({ to: "/deployments/$id", params: { id } });
  };
  // What is wrong inside of what is folded away would not be seen.
  const isWrongInside = [...SCALING_FIELDS, ...ADVANCED_FIELDS].some((field) => errors[field]);
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
                <span className="font-semibold tabular-nums">{least === most ? usd(least) : `${usd(least)}–${usd(most)}`}</span>
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
        <ModelChoice
          source={source}
          model={source === "TRAINING_JOB" ? model : chosen}
          jobs={jobs}
          choices={choices}
          error={errors.model}
          onSource={(to) => {
            setSource(to);
            setChosen("");
            setErrors({});
          }}
          onModel={setChosen}
        />
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
        <details className="group/more" open={isWrongInside || undefined}>
          <summary className="flex cursor-pointer list-none items-center gap-1 rounded-md font-medium text-ink-2 text-sm hover:text-ink">
            <ChevronRight aria-hidden className="size-3.5 group-open/more:rotate-90" />
            Replicas, targets, engine
          </summary>
          <div className="flex flex-col gap-4 pt-3">
            <ScalingFields draft={draft} errors={errors} onChange={(to) => setDraft({ ...draft, ...to })} />
            <AdvancedFields
              advanced={advanced}
              ofHuggingFace={source === "HUGGINGFACE"}
              errors={errors}
              onChange={(to) => setAdvanced({ ...advanced, ...to })}
            />
          </div>
        </details>
      </form>
    </Dialog>
  );
}
