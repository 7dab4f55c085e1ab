import { useNavigate } from "@tanstack/react-router";
import { Rocket } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useClient, useQuery } from "urql";
import { byField, sentence } from "@/lib/errors";
import { usd } from "@/lib/format";
import { graphql } from "@/lib/graphql";
import { useAttempt } from "@/lib/idempotency";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import { hardwareText } from "./eventText";
import { type Job, PriceQuery } from "./queries";
import { deployJob } from "./snippets";

const CreateDeployment = graphql(`
  mutation DeployJob($input: DeploymentInput!) {
    createDeployment(input: $input) {
      deployment {
        id
      }
      errors {
        code
        message
        path
        hint
      }
    }
  }
`);

const HardwareQuery = graphql(`
  query HardwareKinds {
    hardwareTypes {
      type
      available
    }
  }
`);

/** The trained model onto hardware, with what an hour of it costs. */
export function DeployDialog({ job, onClose }: { job: Job; onClose: () => void }) {
  const client = useClient();
  const navigate = useNavigate();
  const kinds = useId();
  const [name, setName] = useState(job.outputName);
  const [type, setType] = useState(job.hardwareRequested.type);
  const [count, setCount] = useState(1);
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const keyOf = useAttempt();
  const [{ data: hardware }] = useQuery({ query: HardwareQuery, requestPolicy: "cache-first" });
  const [{ data: price, fetching }] = useQuery({
    query: PriceQuery,
    variables: { type, count },
    pause: !type || !(count >= 1),
    requestPolicy: "cache-first",
  });
  const offer = price?.hardwareOffers[0];
  const types = hardware?.hardwareTypes ?? [];

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const input = { model: job.id, name, hardware: { type, count } };
    const { data, error } = await client
      .mutation(CreateDeployment, { input: { ...input, idempotencyKey: keyOf(input) } })
      .toPromise();
    setBusy(false);
    const answer = data?.createDeployment;
    if (error) return setErrors({ "": sentence(error) });
    if (answer?.deployment) return void navigate({ to: "/deployments/$id", params: { id: answer.deployment.id } });
    setErrors(byField(answer?.errors ?? [], ["name", "hardware", "model"]));
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Deploy ${job.outputName}`}
      description="It serves the OpenAI API under this name, until you stop it."
    >
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-3">
        {(errors[""] || errors.model) && <ErrorNote>{errors[""] ?? errors.model}</ErrorNote>}
        <Field label="Name" hint="The model of a chat call; unique among the active deployments." error={errors.name}>
          {(ids) => <Input {...ids} value={name} required autoComplete="off" onChange={(event) => setName(event.target.value)} />}
        </Field>
        <div className="grid grid-cols-[1fr_6rem] gap-3">
          <Field label="Hardware" error={errors.hardware}>
            {(ids) => (
              <>
                <Input {...ids} list={kinds} value={type} required onChange={(event) => setType(event.target.value.trim())} />
                <datalist id={kinds}>
                  {types.map((one) => (
                    <option key={one.type} value={one.type} label={one.available ? undefined : "no host has it"} />
                  ))}
                </datalist>
              </>
            )}
          </Field>
          <Field label="How many">
            {(ids) => (
              <Input
                {...ids}
                type="number"
                min={1}
                max={64}
                required
                value={Number.isNaN(count) ? "" : count}
                onChange={(event) => setCount(event.target.valueAsNumber)}
              />
            )}
          </Field>
        </div>
        <p className="min-h-9 text-ink-2 text-xs" role="status">
          {offer ? (
            <>
              <span className="font-semibold text-ink text-sm tabular-nums">{usd(offer.pricePerHour.amount)} an hour</span>,
              billed by the second while it runs; an hour of it is set aside at the start.
              {offer.hardware.type !== type && (
                <span className="block">
                  There is no {type} here: it would run on {hardwareText(offer.hardware.type, offer.hardware.count)}.
                </span>
              )}
            </>
          ) : (
            !fetching && type && "Nobody offers that hardware."
          )}
        </p>
        <div className="-mx-4 -mb-3 flex items-center justify-between gap-2 border-line border-t px-4 py-3">
          <CopyAs title="Deploy it" snippets={() => deployJob(job.id, name, { type, count })} />
          <div className="flex gap-2">
            <Button onClick={onClose}>Back</Button>
            <Button type="submit" tone="solid" busy={busy} icon={<Rocket aria-hidden className="size-3.5" />}>
              Deploy
            </Button>
          </div>
        </div>
      </form>
    </Dialog>
  );
}
