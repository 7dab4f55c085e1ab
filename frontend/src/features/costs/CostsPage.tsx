import { useCallback, useMemo, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
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
import { costSnippets } from "./snippets";
import { Transactions } from "./Transactions";

const TABS = ["spending", "transactions", "estimate", "rates"] as const;
const NAMES: Record<(typeof TABS)[number], string> = {
  spending: "Spending",
  transactions: "Transactions",
  estimate: "Estimate",
  rates: "Rates",
};
const URL = { tab: choice(TABS, "spending") };

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
    <Page title="Costs" actions={<CopyAs title="Costs, from a program" snippets={() => costSnippets(url.tab)} />}>
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
