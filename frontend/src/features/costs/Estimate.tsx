import { useDeferredValue } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import type { ResultOf } from "@/lib/graphql";
import { exactUsd, micros } from "@/lib/money";
import { decimal, integer, text, useUrlState } from "@/lib/url";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Field, Input, Select } from "@/ui/Field";
import { Facts, Panel } from "@/ui/Panel";
import { Badge } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { EstimateQuery, RatesQuery } from "./queries";

export const ESTIMATE_URL = { gpu: text("H100-80GB"), count: integer(1), minutes: decimal(60), perDay: integer(4) };

type Offer = ResultOf<typeof EstimateQuery>["costComparison"][number];

const within = (value: number | null, low: number, high: number) => Math.min(high, Math.max(low, value ?? low));

/** What work would come to, at which provider, and what a habit of it costs in a month. */
export function Estimate() {
  const [url, setUrl] = useUrlState(ESTIMATE_URL);
  const [{ data: rates }] = useQuery({ query: RatesQuery });
  const variables = useDeferredValue({
    type: url.gpu,
    count: within(url.count, 1, 64),
    minutes: String(within(url.minutes, 1, 525_600)),
    perDay: within(url.perDay, 1, 10_000),
  });
  const [{ data, error, stale }, again] = useQuery({ query: EstimateQuery, variables, pause: url.gpu === "" });
  const kinds = [...new Set([url.gpu, ...(rates?.rates.map((one) => one.gpuType) ?? [])])].filter(Boolean).sort();
  const number = (name: "count" | "minutes" | "perDay", label: string, max: number) => (
    <Field label={label}>
      {(ids) => (
        <Input
          {...ids}
          type="number"
          min={1}
          max={max}
          value={url[name] ?? ""}
          onChange={(event) => setUrl({ [name]: event.target.value === "" ? null : Number(event.target.value) })}
        />
      )}
    </Field>
  );
  return (
    <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-[18rem_minmax(0,1fr)]">
      <Panel title="The work">
        <div className="grid grid-cols-2 gap-3">
          <Field label="Hardware" className="col-span-2">
            {(ids) => (
              <Select {...ids} value={url.gpu} onChange={(event) => setUrl({ gpu: event.target.value })}>
                {kinds.map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </Select>
            )}
          </Field>
          {number("count", "How many", 64)}
          {number("minutes", "Minutes", 525_600)}
          {number("perDay", "Jobs a day", 10_000)}
        </div>
      </Panel>
      <div className="flex min-w-0 flex-col gap-4" aria-busy={stale}>
        {error && <ErrorNote onRetry={() => again({ requestPolicy: "network-only" })}>{sentence(error)}</ErrorNote>}
        {!data && !error && <Skeleton className="h-72" />}
        {data && (
          <>
            <div className="grid gap-4 md:grid-cols-2">
              <OneJob estimate={data.costEstimate} />
              <Habit projection={data.costProjection} perDay={variables.perDay} />
            </div>
            <Panel title="Providers" flush>
              <Table
                label="What each provider asks"
                columns={columns(data.costComparison)}
                rows={data.costComparison}
                rowKey={(row) => row.hardware.provider ?? ""}
                empty={<Empty title="Nobody offers this hardware">Choose another kind.</Empty>}
              />
            </Panel>
          </>
        )}
      </div>
    </div>
  );
}

function OneJob({ estimate }: { estimate: ResultOf<typeof EstimateQuery>["costEstimate"] }) {
  const { hardware, total, gpus, storage, overhead, markup } = estimate;
  return (
    <Panel title="One job">
      <p className="font-semibold text-xl tabular-nums tracking-tight">{exactUsd(total.amount)}</p>
      <p className="mb-3 text-ink-3 text-xs">
        {hardware.count} × {hardware.type}
        {hardware.provider ? ` at ${hardware.provider}` : ""}
      </p>
      <Facts
        className="tabular-nums"
        items={[
          ["Hardware", exactUsd(gpus.amount)],
          micros(storage.amount) > 0n && ["Storage", exactUsd(storage.amount)],
          micros(overhead.amount) > 0n && ["Start and stop", exactUsd(overhead.amount)],
          ["Markup", `× ${markup}`],
        ]}
      />
    </Panel>
  );
}

function Habit({ projection, perDay }: { projection: ResultOf<typeof EstimateQuery>["costProjection"]; perDay: number }) {
  const { totalJobs, perJob, monthly, keepWarm, monthlyWithKeepWarm } = projection;
  return (
    <Panel title="30 days of it">
      <p className="font-semibold text-xl tabular-nums tracking-tight">{exactUsd(monthly.amount)}</p>
      <p className="mb-3 text-ink-3 text-xs">
        {totalJobs} jobs, {perDay} a day, before the markup
      </p>
      <Facts
        className="tabular-nums"
        items={[
          ["Each", exactUsd(perJob.amount)],
          micros(keepWarm.amount) > 0n && ["Kept warm between", exactUsd(keepWarm.amount)],
          micros(keepWarm.amount) > 0n && ["With that", exactUsd(monthlyWithKeepWarm.amount)],
        ]}
      />
    </Panel>
  );
}

const columns = (offers: readonly Offer[]): Column<Offer>[] => {
  const cheapest = offers.find((one) => one.available && one.cost)?.hardware.provider;
  return [
    {
      id: "provider",
      header: "Provider",
      cell: ({ hardware }) => (
        <span className="flex items-center gap-2">
          <span className="font-medium">{hardware.provider}</span>
          {hardware.provider === cheapest && <Badge mood="good">cheapest</Badge>}
        </span>
      ),
    },
    {
      id: "available",
      header: "Has it",
      cell: ({ available }) => (available ? "Yes" : <span className="text-ink-3">No</span>),
    },
    { id: "hour", header: "One, an hour", numeric: true, from: "sm", cell: ({ pricePerHour }) => exactUsd(pricePerHour?.amount) },
    { id: "cost", header: "All of it", numeric: true, cell: ({ cost }) => exactUsd(cost?.amount) },
  ];
};
