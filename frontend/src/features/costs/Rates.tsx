import { CircleDollarSign } from "lucide-react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { date, words } from "@/lib/format";
import type { ResultOf } from "@/lib/graphql";
import { exactUsd } from "@/lib/money";
import { choice, text, useUrlState } from "@/lib/url";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { SearchInput } from "@/ui/SearchInput";
import { Badge } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { RatesQuery } from "./queries";

type Rate = ResultOf<typeof RatesQuery>["rates"][number];
const URL = { q: text(""), sort: choice(["gpu", "price"], "gpu") };
const SOURCES: Record<Rate["source"], string> = {
  FILE: "The operator's file of rates",
  FETCHED: "Fetched from the provider",
  DEFAULT: "A public price list, as of the date",
  SETTINGS: "This installation's settings",
};

const COLUMNS: Column<Rate>[] = [
  { id: "gpu", header: "Hardware", cell: ({ gpuType }) => <span className="font-medium">{gpuType}</span> },
  { id: "provider", header: "Provider", cell: ({ provider }) => provider },
  { id: "price", header: "One, an hour", numeric: true, cell: ({ perHour }) => exactUsd(perHour.amount) },
  {
    id: "source",
    header: "Source",
    from: "sm",
    cell: ({ source }) => <Badge title={SOURCES[source]}>{words(source)}</Badge>,
  },
  {
    id: "as-of",
    header: "As of",
    numeric: true,
    from: "md",
    cell: ({ updatedAt }) => <span className="text-ink-3">{date(updatedAt)}</span>,
  },
];

/** What an hour of each GPU costs at each provider. */
export function Rates() {
  const [url, setUrl] = useUrlState(URL);
  const [{ data, error }, again] = useQuery({ query: RatesQuery });
  const wanted = url.q.toLowerCase();
  const rows = data?.rates
    .filter((one) => `${one.gpuType} ${one.provider}`.toLowerCase().includes(wanted))
    .toSorted((a, b) =>
      url.sort === "price"
        ? Number(a.perHour.amount) - Number(b.perHour.amount)
        : a.gpuType.localeCompare(b.gpuType) || Number(a.perHour.amount) - Number(b.perHour.amount),
    );
  return (
    <Panel
      title="Rates"
      flush
      actions={
        <SearchInput
          label="Filter rates"
          placeholder="Filter"
          className="w-44"
          restMs={0}
          value={url.q}
          onChange={(q) => setUrl({ q })}
        />
      }
    >
      {error ? (
        <ErrorNote className="m-3" onRetry={() => again({ requestPolicy: "network-only" })}>
          {sentence(error)}
        </ErrorNote>
      ) : (
        <Table
          label="Rates"
          columns={COLUMNS}
          rows={rows}
          rowKey={(row) => `${row.provider} ${row.gpuType}`}
          expectedRows={12}
          empty={
            <Empty icon={<CircleDollarSign aria-hidden />} title={url.q ? "No rate matches" : "There are no rates"}>
              {url.q ? "Clear the filter to see them all." : "The operator sets them in a file, or has them fetched."}
            </Empty>
          }
        />
      )}
    </Panel>
  );
}
