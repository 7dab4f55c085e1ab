import { type FormEvent, useState } from "react";
import { useMutation } from "urql";
import { byField, sentence } from "@/lib/errors";
import { counted, date } from "@/lib/format";
import { newKey } from "@/lib/idempotency";
import { exactUsd, fraction, micros } from "@/lib/money";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Confirm, Dialog } from "@/ui/Dialog";
import { ErrorNote, Note } from "@/ui/Empty";
import { Field, Input, Select } from "@/ui/Field";
import { Panel } from "@/ui/Panel";
import { Progress } from "@/ui/Progress";
import { toast } from "@/ui/Toast";
import type { Standing } from "./Outlook";
import { SetBudgetMutation } from "./queries";

type Current = Standing["viewer"]["account"]["budget"];
interface Active {
  jobs: number;
  deployments: number;
}

/** The account's budget: how much of it is gone, and how it is set or taken away. */
export function Budget({ budget, active, onChanged }: { budget: Current; active: Active; onChanged: () => void }) {
  const [, run] = useMutation(SetBudgetMutation);
  const [open, setOpen] = useState<"set" | "clear" | null>(null);
  const clear = async () => {
    const { data, error } = await run({ input: { limitUsd: null, idempotencyKey: newKey() } });
    const refused = data?.setBudget.errors.map((one) => one.message).join(" ");
    if (error || refused) return toast(refused || (error && sentence(error)), { mood: "bad" });
    toast("There is no budget any more.");
    onChanged();
  };
  const spent = budget ? fraction(micros(budget.spent.amount), micros(budget.limit.amount)) : 0;
  return (
    <Panel
      title="Budget"
      actions={
        <>
          {budget && (
            <Button size="sm" tone="ghost" onClick={() => setOpen("clear")}>
              Remove
            </Button>
          )}
          <Button size="sm" onClick={() => setOpen("set")}>
            {budget ? "Change" : "Set a budget"}
          </Button>
        </>
      }
    >
      {budget ? (
        <div className="flex flex-col gap-2 text-sm tabular-nums">
          <p>
            <span className="font-semibold text-xl tracking-tight">{exactUsd(budget.spent.amount)}</span>
            <span className="text-ink-3"> of {exactUsd(budget.limit.amount)}</span>
          </p>
          <Progress fraction={spent} label="Budget spent" className={cx(spent >= 0.8 && "[&>div]:bg-bad-solid")} />
          <p className="text-ink-3 text-xs">
            {exactUsd(budget.remaining.amount)} left · {budget.period === "MONTH" ? "each month, this one" : "in total,"} since{" "}
            {date(budget.periodBeganAt)}
          </p>
        </div>
      ) : (
        <p className="text-ink-3 text-sm">
          No limit. A budget keeps work from starting, and stops what runs, before it is passed.
        </p>
      )}
      {open === "set" && (
        <SetBudget
          budget={budget}
          active={active}
          onClose={() => setOpen(null)}
          onDone={() => {
            setOpen(null);
            onChanged();
          }}
        />
      )}
      <Confirm
        open={open === "clear"}
        onOpenChange={(to) => !to && setOpen(null)}
        title="Remove the budget?"
        action="Remove it"
        onConfirm={clear}
      >
        Nothing is lost. Work that was refused for it can start, and nothing stops running work any more but the account's credit.
      </Confirm>
    </Panel>
  );
}

const AMOUNT = /^\d{1,9}(\.\d{1,6})?$/;

function SetBudget({
  budget,
  active,
  onClose,
  onDone,
}: {
  budget: Current;
  active: Active;
  onClose: () => void;
  onDone: () => void;
}) {
  const [{ fetching }, run] = useMutation(SetBudgetMutation);
  const [limit, setLimit] = useState(budget?.limit.amount ?? "");
  const [period, setPeriod] = useState<"MONTH" | "TOTAL">(budget?.period ?? "MONTH");
  const [errors, setErrors] = useState<Record<string, string>>({});
  const valid = AMOUNT.test(limit);
  const below = valid && budget && budget.period === period && micros(limit) <= micros(budget.spent.amount);
  const running = active.jobs + active.deployments;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!valid) return setErrors({ limitUsd: "Dollars, with six decimals at most, such as 250 or 99.50." });
    const { data, error } = await run({ input: { limitUsd: limit, period, idempotencyKey: newKey() } });
    if (error || !data) return setErrors({ "": error ? sentence(error) : "No answer came." });
    if (data.setBudget.errors.length > 0) return setErrors(byField(data.setBudget.errors, ["limitUsd", "period"]));
    toast(`The budget is ${exactUsd(limit)} ${period === "MONTH" ? "a month" : "in total"}.`, { mood: "good" });
    onDone();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={budget ? "Change the budget" : "Set a budget"}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone={below ? "danger" : "solid"} type="submit" form="budget" busy={fetching}>
            {below && running > 0 ? "Set it, and stop what runs" : "Set the budget"}
          </Button>
        </>
      }
    >
      <form id="budget" className="flex flex-col gap-3" onSubmit={(event) => void submit(event)} noValidate>
        {errors[""] && <ErrorNote>{errors[""]}</ErrorNote>}
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Dollars" error={errors.limitUsd}>
            {(ids) => (
              <Input
                {...ids}
                inputMode="decimal"
                value={limit}
                placeholder="250"
                onChange={(event) => setLimit(event.target.value.trim())}
              />
            )}
          </Field>
          <Field label="Counts" error={errors.period}>
            {(ids) => (
              <Select {...ids} value={period} onChange={(event) => setPeriod(event.target.value === "TOTAL" ? "TOTAL" : "MONTH")}>
                <option value="MONTH">each month (UTC)</option>
                <option value="TOTAL">in total</option>
              </Select>
            )}
          </Field>
        </div>
        <p className="text-ink-2 text-sm">
          What would go beyond it does not start. Running jobs save a checkpoint and stop before they pass it; deployments stop
          answering. What was already spent in the period counts.
        </p>
        {below && (
          <Note mood="warn">
            {exactUsd(budget.spent.amount)} of the period is spent already, so this leaves nothing:{" "}
            {running > 0
              ? `what runs now stops (${counted(active.jobs, "job")}, ${counted(active.deployments, "deployment")}).`
              : "nothing can start until the period is over."}
          </Note>
        )}
      </form>
    </Dialog>
  );
}
