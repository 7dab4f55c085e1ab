import { useCallback, useMemo, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";
import { choice, useUrlState } from "@/lib/url";
import { CopyAs } from "@/ui/CopyAs";
import { ErrorNote, Together } from "@/ui/Empty";
import { Page } from "@/ui/Panel";
import { Tabs } from "@/ui/Tabs";
import { Estimate } from "./Estimate";
import { Outlook } from "./Outlook";
import { MoneyQuery } from "./queries";
import { Rates } from "./Rates";
import { Spending } from "./Spending";
import { Transactions } from "./Transactions";

const TABS = ["spending", "transactions", "estimate", "rates"] as const;
const NAMES: Record<(typeof TABS)[number], string> = {
  spending: "Spending",
  transactions: "Transactions",
  estimate: "Estimate",
  rates: "Rates",
};
const URL = { tab: choice(TABS, "spending") };

function snippets(tab: (typeof TABS)[number]): Snippets {
  switch (tab) {
    case "spending":
      return {
        curl: curl("GET", "/v1/cost/summary"),
        python: pythonCall("GET", "/v1/cost/summary"),
        graphql: operation(
          "query Costs($from: DateTime!) {\n  costs(range: { from: $from }, groupBy: [KIND, RESOURCE]) {\n    total { cost { amount } }\n    groups { kind resourceId hours cost { amount } }\n  }\n}",
          { from: new Date(Date.now() - 7 * 86_400_000).toISOString() },
        ),
        cli: "burnish cost summary --by resource",
      };
    case "transactions":
      return {
        curl: curl("GET", "/v1/billing/transactions"),
        python: pythonCall("GET", "/v1/billing/transactions"),
        graphql: operation("query {\n  transactions(first: 50) {\n    nodes { createdAt description amount { amount } }\n  }\n}"),
        cli: "burnish billing transactions",
      };
    case "estimate":
      return {
        curl: curl("GET", "/v1/cost/compare?gpu_type=H100-80GB"),
        graphql: operation(
          'query {\n  costComparison(type: "H100-80GB", durationMinutes: "60") {\n    hardware { provider } available cost { amount }\n  }\n}',
        ),
        cli: "burnish cost compare --gpu H100-80GB",
      };
    case "rates":
      return {
        graphql: operation("query {\n  rates { provider gpuType perHour { amount } source }\n}"),
        cli: "burnish rates show",
      };
  }
}

export default function CostsPage() {
  useTitle("Costs");
  const [url, setUrl] = useUrlState(URL);
  const [{ data, error }, again] = useQuery({ query: MoneyQuery });
  const [known, setKnown] = useState(false);
  const onKnown = useCallback(() => setKnown(true), []);
  const ask = () => again({ requestPolicy: "network-only" });
  useShortcuts(
    TABS.map((tab) => ({ keys: "", label: `Costs: ${NAMES[tab].toLowerCase()}`, run: () => setUrl({ tab }, { push: true }) })),
  );
  const names = useMemo(
    () =>
      new Map([
        ...(data?.jobs.nodes ?? []).map((job) => [job.id, job.outputName] as const),
        ...(data?.deployments.nodes ?? []).map((one) => [one.id, one.name] as const),
      ]),
    [data],
  );
  return (
    <Page title="Costs" actions={<CopyAs title="Costs, from a program" snippets={() => snippets(url.tab)} />}>
      {error && <ErrorNote onRetry={ask}>{sentence(error)}</ErrorNote>}
      <Tabs
        label="Costs"
        tabs={TABS.map((id) => ({ id, label: NAMES[id] }))}
        value={url.tab}
        onChange={(tab) => setUrl({ tab }, { push: true })}
      >
        {url.tab === "spending" && (
          <Together ready={known && (data !== undefined || error !== undefined)} size="h-96">
            <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-[minmax(0,1fr)_20rem]">
              <Spending names={names} onKnown={onKnown} />
              <Outlook standing={data} onChanged={ask} />
            </div>
          </Together>
        )}
        {url.tab === "transactions" && <Transactions names={names} />}
        {url.tab === "estimate" && <Estimate />}
        {url.tab === "rates" && <Rates />}
      </Tabs>
    </Page>
  );
}
