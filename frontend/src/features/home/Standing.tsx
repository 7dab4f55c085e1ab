import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { counted, dateTime, duration, usd } from "@/lib/format";
import { decimal, fraction, micros } from "@/lib/money";
import { cx } from "@/ui/cx";
import { Skeleton } from "@/ui/Empty";
import { Progress } from "@/ui/Progress";
import type { Home } from "./queries";

/** The four figures above everything: what runs, what it burns, how long credit and budget last. */
export function Standing({ home }: { home: Home | undefined }) {
  if (!home) {
    return (
      <Row>
        {["runs", "burn", "credit", "budget"].map((name) => (
          <div key={name} className="bg-surface px-4 py-3">
            <Skeleton className="h-[4.625rem] w-full" />
          </div>
        ))}
      </Row>
    );
  }
  const { burnRate, viewer } = home;
  const { account } = viewer;
  return (
    <Row>
      <Figure
        label="Running now"
        value={burnRate.activeJobs + burnRate.activeDeployments}
        note={`${counted(burnRate.activeJobs, "job")} · ${counted(burnRate.activeDeployments, "deployment")}`}
      />
      <Figure
        label="Burn rate"
        to="/costs"
        value={
          <>
            {usd(burnRate.hourly.amount)}
            <span className="font-normal text-ink-3 text-sm"> / h</span>
          </>
        }
        note={micros(burnRate.hourly.amount) === 0n ? "Nothing is billed now" : "What runs now, at today's rates"}
      />
      {account.billingMode === "metered" ? (
        <Figure
          label="Used so far"
          to="/costs"
          value={usd(decimal(-micros(account.balance.amount)))}
          note="Metered: work never stops for credit"
        />
      ) : (
        <Figure
          label="Credit"
          to="/costs"
          value={usd(account.available.amount)}
          note={<Ends hours={burnRate.hoursRemaining} nothing="Lasts as long as nothing runs" />}
          mood={account.warnings.some((one) => one.code === "credit_low") ? "bad" : undefined}
        />
      )}
      <BudgetFigure budget={account.budget} hours={burnRate.budgetHoursRemaining} />
    </Row>
  );
}

function BudgetFigure({ budget, hours }: { budget: Home["viewer"]["account"]["budget"]; hours: number | null }) {
  if (!budget)
    return <Figure label="Budget" to="/costs" value={<span className="text-ink-3">None</span>} note="Set one under Costs" />;
  const spent = fraction(micros(budget.spent.amount), micros(budget.limit.amount));
  return (
    <Figure
      label={budget.period === "MONTH" ? "Budget this month" : "Budget in total"}
      to="/costs"
      value={
        <>
          {usd(budget.spent.amount)}
          <span className="font-normal text-ink-3 text-sm"> of {usd(budget.limit.amount)}</span>
        </>
      }
      note={
        <span className="flex items-center gap-2">
          <Progress fraction={spent} label="Budget spent" className={cx("max-w-24", spent >= 0.8 && "[&>div]:bg-bad-solid")} />
          <span className="truncate">
            <Ends hours={hours} nothing={`${usd(budget.remaining.amount)} left`} />
          </span>
        </span>
      }
    />
  );
}

function Ends({ hours, nothing }: { hours: number | null; nothing: string }) {
  if (hours === null) return nothing;
  if (hours > 24 * 365) return "Lasts longer than a year at this rate";
  const at = new Date(Date.now() + hours * 3_600_000);
  return (
    <span title={`At what runs now, until ${dateTime(at)}`}>
      Ends in {duration(hours * 3600)}, {dateTime(at).replace(/:\d\d$/, "")}
    </span>
  );
}

function Row({ children }: { children: ReactNode }) {
  return (
    <section
      aria-label="How the account stands"
      className="grid gap-px overflow-hidden rounded-lg border border-line bg-line shadow-card grid-cols-2 xl:grid-cols-4"
    >
      {children}
    </section>
  );
}

function Figure({
  label,
  value,
  note,
  to,
  mood,
}: {
  label: string;
  value: ReactNode;
  note: ReactNode;
  to?: "/costs";
  mood?: "bad" | undefined;
}) {
  const inside = (
    <>
      <div className="text-ink-3 text-xs">{label}</div>
      <div
        className={cx("truncate font-semibold text-xl tabular-nums max-sm:text-lg tracking-tight", mood === "bad" && "text-bad")}
      >
        {value}
      </div>
      <div className="truncate text-ink-3 text-xs">{note}</div>
    </>
  );
  const box = "flex min-w-0 flex-col gap-0.5 bg-surface px-4 py-3 max-sm:px-3";
  if (!to) return <div className={box}>{inside}</div>;
  return (
    <Link to={to} className={cx(box, "transition-colors hover:bg-hover focus-visible:-outline-offset-2")}>
      {inside}
    </Link>
  );
}
