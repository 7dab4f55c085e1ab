import { Link } from "@tanstack/react-router";
import { ReceiptText } from "lucide-react";
import { useEffect, useMemo } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { words } from "@/lib/format";
import type { ResultOf } from "@/lib/graphql";
import { addressOf } from "@/lib/ids";
import { exactUsd, fraction, micros } from "@/lib/money";
import { choice, text, useUrlState } from "@/lib/url";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Input, Select } from "@/ui/Field";
import { Panel } from "@/ui/Panel";
import { type Column, Table } from "@/ui/Table";
import { Bars } from "./Bars";
import { SpendingQuery } from "./queries";
import { beginnings, RANGE_NAMES, RANGES, spanOf } from "./range";
import { REST, stack } from "./stack";

const DIMENSIONS = ["kind", "resource", "gpu", "provider"] as const;
const ASKED = { kind: "KIND", resource: "RESOURCE", gpu: "GPU_TYPE", provider: "PROVIDER" } as const;
const BY: Record<(typeof DIMENSIONS)[number], string> = { kind: "kind", resource: "resource", gpu: "GPU", provider: "provider" };
export const SPENDING_URL = {
  range: choice(RANGES, "7d"),
  from: text(""),
  to: text(""),
  by: choice(DIMENSIONS, "kind"),
};

type Group = ResultOf<typeof SpendingQuery>["table"]["groups"][number];

/** What was spent in a span of time, and on what. */
export function Spending({ names, onKnown }: { names: ReadonlyMap<string, string>; onKnown: () => void }) {
  const [url, setUrl] = useUrlState(SPENDING_URL);
  const span = useMemo(() => spanOf(url.range, url.from, url.to, new Date()), [url.range, url.from, url.to]);
  const [{ data, error, stale }, again] = useQuery({
    query: SpendingQuery,
    variables: { range: { from: span.from.toISOString(), to: span.to.toISOString() }, by: ASKED[url.by], grain: span.grain },
  });
  const known = data !== undefined || error !== undefined;
  useEffect(() => {
    if (known) onKnown();
  }, [known, onKnown]);
  const bars = useMemo(() => {
    const buckets = (data?.bars.buckets ?? []).map((one) => ({
      startsAt: one.startsAt,
      key: { kind: one.kind, resource: one.resourceId, gpu: one.gpuType, provider: one.provider }[url.by] ?? "",
      amount: one.cost.amount,
    }));
    return stack(buckets, beginnings(span));
  }, [data, span, url.by]);
  const name = (key: string) =>
    key === REST ? "All others" : url.by === "resource" ? (names.get(key) ?? key) : url.by === "kind" ? words(key) : key;
  const chooseRange = (range: (typeof RANGES)[number]) =>
    setUrl(
      range === "custom"
        ? { range, from: day(span.from), to: day(new Date(span.to.getTime() - 1)) }
        : { range, from: "", to: "" },
    );
  return (
    <div className="flex flex-col gap-4">
      <Panel
        title={
          <span className="flex flex-wrap items-baseline gap-x-3">
            <span className="text-lg tabular-nums tracking-tight">{data ? exactUsd(data.bars.total.cost.amount) : "…"}</span>
            <span className="font-normal text-ink-3 text-xs">
              {data ? `${Number(data.bars.total.hours)} hours of hardware · ${data.bars.total.jobCount} jobs` : ""}
            </span>
          </span>
        }
        actions={
          <>
            <Select
              aria-label="Range"
              className="w-auto!"
              value={url.range}
              onChange={(event) => chooseRange(RANGES.find((one) => one === event.target.value) ?? "7d")}
            >
              {RANGES.map((one) => (
                <option key={one} value={one}>
                  {RANGE_NAMES[one]}
                </option>
              ))}
            </Select>
            {url.range === "custom" && (
              <>
                <Input
                  type="date"
                  aria-label="From"
                  className="w-auto!"
                  value={url.from}
                  max={url.to}
                  onChange={(event) => setUrl({ from: event.target.value })}
                />
                <Input
                  type="date"
                  aria-label="Until"
                  className="w-auto!"
                  value={url.to}
                  min={url.from}
                  onChange={(event) => setUrl({ to: event.target.value })}
                />
              </>
            )}
            <Select
              aria-label="Stacked by"
              className="w-auto!"
              value={url.by}
              onChange={(event) => setUrl({ by: DIMENSIONS.find((one) => one === event.target.value) ?? "kind" })}
            >
              {DIMENSIONS.map((one) => (
                <option key={one} value={one}>
                  by {BY[one]}
                </option>
              ))}
            </Select>
          </>
        }
      >
        {error && <ErrorNote onRetry={() => again({ requestPolicy: "network-only" })}>{sentence(error)}</ErrorNote>}
        {!data && !error && <Skeleton className="h-64" />}
        {data && (
          <div aria-busy={stale}>
            <Bars
              stack={bars}
              grain={span.grain}
              name={name}
              label={`Costs by ${span.grain.toLowerCase()} (UTC), stacked by ${BY[url.by]}`}
            />
          </div>
        )}
      </Panel>
      <Panel title="By resource" flush>
        <ByResource groups={data?.table.groups} names={names} />
      </Panel>
    </div>
  );
}

const day = (at: Date) => at.toISOString().slice(0, 10);

function ByResource({ groups, names }: { groups: readonly Group[] | undefined; names: ReadonlyMap<string, string> }) {
  const rows = useMemo(() => groups?.toSorted((a, b) => Number(micros(b.cost.amount) - micros(a.cost.amount))), [groups]);
  const total = (rows ?? []).reduce((sum, one) => sum + micros(one.cost.amount), 0n);
  const columns: Column<Group>[] = [
    {
      id: "resource",
      header: "Resource",
      cell: ({ resourceId }) => {
        const to = resourceId && addressOf(resourceId);
        const name = resourceId ? (names.get(resourceId) ?? resourceId) : "–";
        return to && names.has(resourceId) ? (
          <Link to={to} className="font-medium hover:underline">
            {name}
          </Link>
        ) : (
          <span title={resourceId ?? ""} className="text-ink-2">
            {name}
          </span>
        );
      },
    },
    { id: "kind", header: "Kind", from: "sm", cell: ({ kind }) => (kind ? words(kind) : "–") },
    { id: "hardware", header: "Hardware", from: "md", cell: ({ gpuType, provider }) => `${gpuType ?? "–"} · ${provider ?? "–"}` },
    { id: "hours", header: "Hours", numeric: true, from: "sm", cell: ({ hours }) => hours },
    { id: "cost", header: "Cost", numeric: true, cell: ({ cost }) => exactUsd(cost.amount) },
    {
      id: "share",
      header: "Share",
      numeric: true,
      from: "sm",
      width: "8rem",
      cell: ({ cost }) => <Share part={fraction(micros(cost.amount), total)} />,
    },
  ];
  return (
    <Table
      label="Costs by resource"
      columns={columns}
      rows={rows}
      rowKey={(row) => [row.resourceId, row.kind, row.gpuType, row.provider].join()}
      empty={
        <Empty icon={<ReceiptText aria-hidden />} title="Nothing was spent in this time">
          Jobs and deployments show up here as they are billed, each minute and when they end.
        </Empty>
      }
    />
  );
}

function Share({ part }: { part: number }) {
  return (
    <span className="flex items-center justify-end gap-2">
      <span aria-hidden className="h-1.5 w-14 overflow-hidden rounded-full bg-hover">
        <span className="block h-full rounded-full bg-accent" style={{ width: `${part * 100}%` }} />
      </span>
      <span className="w-9 text-ink-2">{Math.round(part * 100)} %</span>
    </span>
  );
}
