import { Link } from "@tanstack/react-router";
import { CircleAlert, CircleDashed, Play } from "lucide-react";
import type { ReactNode } from "react";
import { useQuery } from "urql";
import { MemoryBar } from "@/features/memory";
import { sentence } from "@/lib/errors";
import { duration, usd } from "@/lib/format";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { ErrorNote, Skeleton } from "@/ui/Empty";
import { Kbd } from "@/ui/Kbd";
import { Facts, Panel } from "@/ui/Panel";
import { BillingQuery } from "./documents";
import type { Draft } from "./draft";
import { type Problems, type Step, sectionOf } from "./problems";
import type { Planned } from "./usePlan";

interface PlanPanelProps {
  draft: Draft;
  planned: Planned;
  problems: Problems;
  missing: readonly Step[];
  changed: readonly (readonly [string, string])[];
  canStart: boolean;
  busy: boolean;
  /** Why the start was refused, where that is about no field. */
  failure: string | null;
  actions: ReactNode;
  onStart: () => void;
}

/** What would come of the job as it stands: what is open, what it costs, whether the credit covers it. */
export function PlanPanel(props: PlanPanelProps) {
  const { planned, problems, missing, changed, canStart, busy, failure, actions, onStart } = props;
  const { plan, error, isCurrent } = planned;
  const fields = Object.entries(problems.fields);
  return (
    <Panel title="Plan" actions={actions} className="lg:sticky lg:top-4">
      <div className="flex flex-col gap-3" aria-busy={!isCurrent}>
        <Money {...props} />
        {plan?.memory && (
          <section aria-label="Memory" className={cx("border-line border-t pt-3 transition-opacity", !isCurrent && "opacity-60")}>
            <h3 className="mb-1 text-ink-3 text-xs">Memory, estimated</h3>
            <MemoryBar estimate={plan.memory} />
          </section>
        )}
        {changed.length > 0 && (
          <div className="border-line border-t pt-3">
            <h3 className="mb-1 text-ink-3 text-xs">Changed from the defaults</h3>
            <dl className="flex flex-col gap-0.5 font-mono text-xs">
              {changed.map(([name, text]) => (
                <div key={name} className="flex justify-between gap-3">
                  <dt className="min-w-0 truncate text-ink-2">{name}</dt>
                  <dd className="shrink-0 tabular-nums">{text}</dd>
                </div>
              ))}
            </dl>
          </div>
        )}
        {(missing.length > 0 || fields.length > 0) && (
          <ul className="flex flex-col gap-1 border-line border-t pt-3 text-sm">
            {missing.map(({ id, label }) => (
              <Open key={id} section={id} icon={<CircleDashed aria-hidden className="mt-0.5 size-3.5 shrink-0" />}>
                {label}
              </Open>
            ))}
            {fields.map(([field, message]) => (
              <Open
                key={field}
                section={sectionOf(field)}
                isBad
                icon={<CircleAlert aria-hidden className="mt-0.5 size-3.5 shrink-0" />}
              >
                <span className="font-medium">{field.replace(/^hyperparameters\./, "")}</span>: {message}
              </Open>
            ))}
          </ul>
        )}
        {problems.others.map(({ message, hint }) => (
          <ErrorNote key={message} hint={hint}>
            {message}
          </ErrorNote>
        ))}
        {problems.money.map(({ message, hint, kind }) => (
          <ErrorNote
            key={message}
            hint={
              <>
                {hint}{" "}
                {kind === "BudgetExceeded" ? (
                  <>
                    Raise the budget under{" "}
                    <Link to="/settings" className="underline">
                      Settings
                    </Link>
                    , or set a lower cost to stop at.
                  </>
                ) : (
                  <>
                    Add credit, see{" "}
                    <Link to="/costs" className="underline">
                      Costs
                    </Link>
                    , choose cheaper hardware, or set a lower cost to stop at.
                  </>
                )}
              </>
            }
          >
            {message}
          </ErrorNote>
        ))}
        {error && <ErrorNote>{sentence(error)}</ErrorNote>}
        {failure && <ErrorNote>{failure}</ErrorNote>}
        <Button
          tone="solid"
          busy={busy}
          disabled={!canStart}
          icon={<Play aria-hidden className="size-3.5" />}
          className="h-9 w-full"
          onClick={onStart}
        >
          Start training
          {plan?.offer && <span className="font-normal tabular-nums opacity-80">{usd(plan.offer.pricePerHour.amount)}/h</span>}
        </Button>
        <p className="text-center text-ink-3 text-xs">
          <Kbd keys="Mod+Enter" /> starts it from anywhere on this page
        </p>
      </div>
    </Panel>
  );
}

function Open({ section, isBad, icon, children }: { section: string; isBad?: boolean; icon: ReactNode; children: ReactNode }) {
  const go = () => {
    const found = document.getElementById(section);
    found?.scrollIntoView({ behavior: "smooth", block: "start" });
    found?.querySelector<HTMLElement>("[aria-invalid], input, select, button")?.focus({ preventScroll: true });
  };
  return (
    <li>
      <button
        type="button"
        onClick={go}
        className={cx("flex w-full gap-2 rounded-sm text-left hover:underline", isBad ? "text-bad" : "text-ink-2")}
      >
        {icon}
        <span className="min-w-0 break-words">{children}</span>
      </button>
    </li>
  );
}

function Money({ draft, planned: { plan, isCurrent } }: PlanPanelProps) {
  const [{ data }] = useQuery({ query: BillingQuery });
  if (!plan || !data) return <Skeleton className="h-36" />;
  const metered = data.viewer.account.billingMode === "metered";
  const { offer, needed, balance, free, covered } = plan;
  const hour = offer ? Number(offer.pricePerHour.amount) : null;
  const cap = Number(draft.maxCost);
  const longest = hour && cap > 0 ? (cap / hour) * 3600 : null;
  return (
    <div className={cx("transition-opacity", !isCurrent && "opacity-60")}>
      <div className="mb-2">
        <div className="text-ink-3 text-xs">An hour costs</div>
        <div className="font-semibold text-xl tabular-nums tracking-tight">{hour === null ? "–" : usd(hour)}</div>
        <div className="min-h-4.5 text-ink-3 text-xs">
          {offer
            ? `on ${offer.hardware.count > 1 ? `${offer.hardware.count} × ` : ""}${offer.hardware.type}${offer.hardware.provider === "local" ? " of this installation" : ""}`
            : "once the hardware is chosen"}
        </div>
      </div>
      <Facts
        items={[
          [
            "Set aside",
            <span key="needed" className="tabular-nums">
              {needed ? `${usd(needed.amount)} at the start` : "–"}
            </span>,
          ],
          !metered && [
            "Free credit",
            <span key="free" className="tabular-nums">
              {usd(free.amount)}
            </span>,
          ],
          !metered && [
            "Balance",
            <span key="balance" className="tabular-nums">
              {usd(balance.amount)}
            </span>,
          ],
          [
            "Covered",
            needed === null ? (
              metered ? (
                "billed afterwards"
              ) : (
                "–"
              )
            ) : covered ? (
              <span key="covered" className="text-good">
                {Number(free.amount) < Number(needed.amount) ? "yes, it is billed afterwards" : "yes"}
              </span>
            ) : (
              <span key="covered" className="text-bad">
                no: {usd(Number(needed.amount) - Number(free.amount))} are missing
              </span>
            ),
          ],
          longest !== null && ["Stops after", `${duration(longest)} at the latest`],
        ]}
      />
    </div>
  );
}
