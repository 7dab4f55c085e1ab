import type { ReactNode } from "react";
import { counted, dateTime, duration } from "@/lib/format";
import type { ResultOf } from "@/lib/graphql";
import { exactUsd, micros } from "@/lib/money";
import { Note, Skeleton } from "@/ui/Empty";
import { Facts, Panel } from "@/ui/Panel";
import { Budget } from "./Budget";
import type { MoneyQuery } from "./queries";

export type Standing = ResultOf<typeof MoneyQuery>;

const HOURS_A_DAY = 24n;
const HOURS_A_MONTH = 720n;

/** What is there, what runs take of it, and how long it lasts. */
export function Outlook({ standing, onChanged }: { standing: Standing | undefined; onChanged: () => void }) {
  if (!standing) return <Skeleton className="h-72" />;
  const { viewer, burnRate } = standing;
  const { account } = viewer;
  const hourly = micros(burnRate.hourly.amount);
  const metered = account.billingMode === "metered";
  const money: [string, ReactNode][] = metered
    ? [
        ["Used so far", exactUsd(-micros(account.balance.amount))],
        ["Billing", "metered: what is used is owed"],
      ]
    : [
        ["Balance", exactUsd(account.balance.amount)],
        [
          "Set aside",
          <span key="held" title="An hour of what runs, until it ends">
            {exactUsd(account.held.amount)}
          </span>,
        ],
        [
          "Free",
          <strong key="free" className="font-semibold">
            {exactUsd(account.available.amount)}
          </strong>,
        ],
      ];
  return (
    <div className="flex min-w-0 flex-col gap-4">
      {account.warnings.map((one) => (
        <Note key={one.code} mood="warn">
          {one.message}
        </Note>
      ))}
      <Panel title={metered ? "Usage" : "Credit"}>
        <Facts items={money} className="tabular-nums" />
      </Panel>
      <Panel title="Burn rate">
        <p className="mb-2 font-semibold text-xl tabular-nums tracking-tight">
          {exactUsd(hourly)}
          <span className="font-normal text-ink-3 text-sm"> an hour</span>
        </p>
        <Facts
          className="tabular-nums"
          items={[
            ["Runs now", `${counted(burnRate.activeJobs, "job")}, ${counted(burnRate.activeDeployments, "deployment")}`],
            hourly > 0n && ["In a day", exactUsd(hourly * HOURS_A_DAY)],
            hourly > 0n && ["In 30 days", exactUsd(hourly * HOURS_A_MONTH)],
            burnRate.hoursRemaining !== null && ["Credit ends", <Ends key="credit" hours={burnRate.hoursRemaining} />],
            burnRate.budgetHoursRemaining !== null && [
              "Budget ends",
              <Ends key="budget" hours={burnRate.budgetHoursRemaining} />,
            ],
          ]}
        />
        {hourly > 0n && <p className="mt-2 text-ink-3 text-xs">If what runs now goes on as it is.</p>}
      </Panel>
      <Budget
        budget={account.budget}
        active={{ jobs: burnRate.activeJobs, deployments: burnRate.activeDeployments }}
        onChanged={onChanged}
      />
    </div>
  );
}

function Ends({ hours }: { hours: number }) {
  if (hours > 24 * 365 * 5) return "not within five years";
  return (
    <>
      in {duration(hours * 3600)}
      <span className="block text-ink-3 text-xs">{dateTime(new Date(Date.now() + hours * 3_600_000))}</span>
    </>
  );
}
