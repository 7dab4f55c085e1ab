import { type FormEvent, useState } from "react";
import { useQuery } from "urql";
import { byField } from "@/lib/errors";
import { counted, usd } from "@/lib/format";
import { useAttempt } from "@/lib/idempotency";
import { OfferQuery } from "@/lib/offers";
import { useAction } from "@/lib/useAction";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { useNow } from "@/ui/Time";
import { toast } from "@/ui/Toast";
import { ScaleMutation } from "./actions";
import { changed, draftOf, scalingOf } from "./draft";
import { useLoads } from "./loads";
import { ms, rate } from "./numbers";
import type { Deployment } from "./queries";
import { SCALING_FIELDS, ScalingFields } from "./ScalingFields";
import { loadAt } from "./samples";
import { type Load, priceRange, ruleText, type Scaling, wanted } from "./scaling";
import { scaling as snippets } from "./snippets";

interface Props {
  deployment: Deployment;
  onClose: () => void;
  onDone: () => void;
}

/** Other bounds and targets, with what the rule would want now and what that may cost. */
export default function ScaleDialog({ deployment, onClose, onDone }: Props) {
  const [draft, setDraft] = useState(() => draftOf(deployment));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const keyOf = useAttempt();
  const scale = useAction(ScaleMutation, (data) => data.scaleDeployment.errors);
  const now = useNow().getTime();
  const load = loadAt(useLoads([deployment.id])(deployment.id), now);
  const { type, count } = deployment.hardware ?? deployment.hardwareRequested;
  const [{ data: offers }] = useQuery({ query: OfferQuery, variables: { type, count } });
  const hour = offers?.hardwareOffers[0]?.pricePerHour.amount;
  const scaling = scalingOf(draft);
  const change = scaling ? changed(scaling, deployment) : {};
  const isChanged = Object.keys(change).length > 0;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const input = { id: deployment.id, ...change };
    setBusy(true);
    const refused = await scale({ input: { ...input, idempotencyKey: keyOf(input) } });
    setBusy(false);
    if (refused) return setErrors(refused.errors.length ? byField(refused.errors, SCALING_FIELDS) : { "": refused.message });
    toast(`${deployment.name} scales by these from now on.`);
    onDone();
    onClose();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Scale ${deployment.name}`}
      description="It holds from the next decision on; nothing is restarted."
      footer={
        <>
          <span className="mr-auto">
            <CopyAs title="Scale it" snippets={() => snippets(deployment.id, isChanged ? change : (scaling ?? deployment))} />
          </span>
          <Button onClick={onClose}>Back</Button>
          <Button tone="solid" type="submit" form="scale" busy={busy} disabled={!isChanged}>
            Scale
          </Button>
        </>
      }
    >
      <form id="scale" onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        {errors[""] && <ErrorNote>{errors[""]}</ErrorNote>}
        <ScalingFields draft={draft} errors={errors} onChange={(to) => setDraft({ ...draft, ...to })} />
        <Preview scaling={scaling} load={load} hour={hour === undefined ? null : Number(hour)} />
      </form>
    </Dialog>
  );
}

/** What the rule would want at this load, and between what an hour costs. */
function Preview({ scaling, load, hour }: { scaling: Scaling | null; load: Load; hour: number | null }) {
  const possible = scaling !== null && scaling.minReplicas <= scaling.maxReplicas;
  const now = possible ? wanted(scaling, load) : null;
  const [least, most] = possible && hour !== null ? priceRange(scaling, hour) : [null, null];
  return (
    <div role="status" className="flex min-h-36 flex-col gap-2 rounded-md bg-sunken p-3 text-sm">
      {scaling && !possible && <p className="text-bad">The least is more than the most.</p>}
      {now && possible && (
        <>
          <p>
            <span className="font-semibold tabular-nums">{counted(now.replicas, "replica")}</span> at the present load of{" "}
            {rate(load.rps)} requests/s{load.p95Ms === null ? "" : `, p95 ${ms(load.p95Ms)}`}: {now.why}.
          </p>
          <p className="text-ink-2">
            {least !== null && (
              <>
                <span className="font-medium tabular-nums">{least === most ? usd(least) : `${usd(least)} to ${usd(most)}`}</span>{" "}
                an hour{least === most ? "" : ", as it scales"}.
              </>
            )}
          </p>
          <p className="text-ink-3 text-xs">{ruleText(scaling)}</p>
        </>
      )}
    </div>
  );
}
