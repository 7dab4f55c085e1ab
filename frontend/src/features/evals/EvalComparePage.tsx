import { Link } from "@tanstack/react-router";
import { ArrowLeftRight } from "lucide-react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { useUrlState } from "@/lib/url";
import { Button, buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Page } from "@/ui/Panel";
import { Trail } from "@/ui/Trail";
import { ComparedItems } from "./ComparedItems";
import { Difference, type Head } from "./Difference";
import { type Compared, ComparisonQuery, readRun } from "./documents";
import { nameOf } from "./figures";
import { comparing } from "./snippets";
import { usePages } from "./usePages";
import { COMPARE_VIEW } from "./view";

const PAGE = 50;

export default function EvalComparePage() {
  const client = useClient();
  const [view, setView] = useUrlState(COMPARE_VIEW);
  const { a, b, all } = view;
  const pages = usePages<Compared, Head>(`${a} ${b} ${all}`, async (after) => {
    if (!a || !b) return null;
    const variables = { a, b, onlyChanged: !all, first: PAGE, after };
    const { data, error } = await client.query(ComparisonQuery, variables, { requestPolicy: "network-only" }).toPromise();
    if (!data) return error ? sentence(error) : "The server said nothing.";
    const { items, figures, ...both } = data.compareEvalRuns;
    return {
      head: { a: readRun(both.a), b: readRun(both.b), of: both.a.eval, figures },
      rows: items.nodes,
      next: items.pageInfo.hasNextPage ? items.pageInfo.endCursor : null,
    };
  });
  const { head } = pages;
  useTitle("Compare eval runs");
  const swap = () => setView({ a: b, b: a });
  useShortcuts([
    { keys: "s", label: "Swap the two", group: "Comparison", run: swap },
    { keys: "a", label: "Every row, or what has changed", group: "Comparison", run: () => setView({ all: !all }) },
  ]);
  const above = (
    <Trail>
      {head ? (
        <Link to="/evals/$id" params={{ id: head.of.id }}>
          {head.of.name}
        </Link>
      ) : (
        <Link to="/evals">Evals</Link>
      )}
    </Trail>
  );
  if (pages.isMissing)
    return (
      <Page title="Compare two runs" above={above}>
        <Empty
          title="Choose two runs of an eval"
          action={
            <Link to="/evals" className={buttonClass()}>
              All evals
            </Link>
          }
        >
          Mark two runs on the page of their eval, and compare them.
        </Empty>
      </Page>
    );
  return (
    <Page
      title={head ? `${nameOf(head.a)} and ${nameOf(head.b)}` : "Compare two runs"}
      above={above}
      actions={
        <>
          <CopyAs title="Compare these runs" snippets={() => comparing(a, b)} />
          <Button icon={<ArrowLeftRight aria-hidden className="size-3.5" />} onClick={swap}>
            Swap
          </Button>
        </>
      }
    >
      {pages.error && <ErrorNote onRetry={pages.again}>{pages.error}</ErrorNote>}
      {head ? (
        <>
          <Difference head={head} />
          <ComparedItems pages={pages} view={view} setView={setView} names={[nameOf(head.a), nameOf(head.b)]} />
        </>
      ) : (
        !pages.error && (
          <>
            <Skeleton className="h-44" />
            <Skeleton className="h-96" />
          </>
        )
      )}
    </Page>
  );
}
