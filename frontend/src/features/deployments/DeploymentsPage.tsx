import { useNavigate } from "@tanstack/react-router";
import { Plus, Rocket } from "lucide-react";
import { useRef, useState } from "react";
import { useClient, useQuery } from "urql";
import { sentence } from "@/lib/errors";
import type { ResultOf } from "@/lib/graphql";
import { useLive } from "@/lib/live";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { choice, flag, text, useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Select } from "@/ui/Field";
import { Page, Panel } from "@/ui/Panel";
import { SearchInput } from "@/ui/SearchInput";
import { Table } from "@/ui/Table";
import { toast } from "@/ui/Toast";
import { CreateDialog } from "./CreateDialog";
import { columnsOf } from "./columns";
import { useLoads } from "./loads";
import { ACTIVE, ActivityStream, type Deployment, ListQuery, readDeployment } from "./queries";
import { LIST } from "./snippets";

const STATUSES = ["active", "ended", "all"] as const;
const VIEW = { q: text(), status: choice(STATUSES, "all"), new: flag(), model: text() };
const PAGE = 50;

export default function DeploymentsPage() {
  useTitle("Deployments");
  const navigate = useNavigate();
  const client = useClient();
  const [view, setView] = useUrlState(VIEW);
  const find = useRef<HTMLInputElement>(null);
  const variables = {
    first: PAGE,
    status: view.status === "active" ? [...ACTIVE] : view.status === "ended" ? (["STOPPED", "FAILED"] as const).slice() : null,
    filter: view.q ? { search: view.q } : null,
  };
  const [{ data, error }, again] = useQuery({ query: ListQuery, variables });
  const [more, setMore] = useState<{ of: unknown; rows: Deployment[]; page: PageOf | null }>({ of: null, rows: [], page: null });
  const extra = more.of === data ? more : { rows: [], page: null };
  const rows = data && [...data.deployments.nodes.map(readDeployment), ...extra.rows];
  const page = extra.page ?? data?.deployments.pageInfo;
  const load = useLoads(rows?.filter((one) => one.status === "SERVING").map((one) => one.id) ?? []);

  useLive("deployments", {
    document: ActivityStream,
    variables: {},
    frame: ({ activity }) => activity as { __typename?: string; cursor?: string; events?: { resourceId: string }[] },
    onFrames: (frames) => {
      if (frames.some((frame) => frame.events?.some((one) => one.resourceId.startsWith("dep_"))))
        again({ requestPolicy: "network-only" });
    },
    // Without a socket the list is simply read again.
    poll: async () => {
      again({ requestPolicy: "network-only" });
      return [];
    },
  });
  useShortcuts([
    { keys: "/", label: "Search deployments", run: () => find.current?.focus() },
    { keys: "c", label: "Deploy a model", run: () => setView({ new: true }) },
  ]);

  const next = async () => {
    if (!page?.endCursor) return;
    const result = await client.query(ListQuery, { ...variables, after: page.endCursor }).toPromise();
    if (result.error) toast(sentence(result.error), { mood: "bad" });
    if (result.data)
      setMore({
        of: data,
        rows: [...extra.rows, ...result.data.deployments.nodes.map(readDeployment)],
        page: result.data.deployments.pageInfo,
      });
  };
  const open = (one: Deployment) => void navigate({ to: "/deployments/$id", params: { id: one.id } });
  const creating = view.new || view.model !== "";
  const filtered = view.q !== "" || view.status !== "all";
  return (
    <Page
      title="Deployments"
      actions={
        <>
          <CopyAs title="List deployments" snippets={LIST} />
          <Button
            tone="solid"
            icon={<Plus aria-hidden className="size-3.5" />}
            onClick={() => setView({ new: true }, { push: true })}
          >
            Deploy a model
          </Button>
        </>
      }
    >
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput
          label="Search deployments"
          placeholder="Name or id"
          className="w-full sm:w-64"
          keys="/"
          value={view.q}
          onChange={(q) => setView({ q })}
          ref={find}
        />
        <Select
          aria-label="Status"
          value={view.status}
          onChange={(event) => setView({ status: STATUSES.find((one) => one === event.target.value) ?? "all" })}
          className="!w-auto"
        >
          <option value="all">All</option>
          <option value="active">Active</option>
          <option value="ended">Ended</option>
        </Select>
      </div>
      {error && !data && <ErrorNote onRetry={() => again({ requestPolicy: "network-only" })}>{sentence(error)}</ErrorNote>}
      <Panel flush>
        <Table
          label="Deployments"
          columns={columnsOf(load)}
          rows={error && !data ? [] : rows}
          rowKey={(one) => one.id}
          onOpen={open}
          empty={
            filtered ? (
              <Empty
                title="No deployment is like that"
                action={<Button onClick={() => setView({ q: "", status: "all" })}>Show all</Button>}
              />
            ) : (
              <Empty
                icon={<Rocket aria-hidden />}
                title="No deployments yet"
                action={
                  <Button tone="solid" onClick={() => setView({ new: true })}>
                    Deploy a model
                  </Button>
                }
              >
                A deployment keeps a model ready and answers the OpenAI API: the model of a completed job, a registered one, or
                one of Hugging Face.
              </Empty>
            )
          }
        />
      </Panel>
      {page?.hasNextPage && (
        <Button className="self-center" onClick={() => void next()}>
          Show more
        </Button>
      )}
      {creating && <CreateDialog model={view.model} onClose={() => setView({ new: false, model: "" })} />}
    </Page>
  );
}

type PageOf = ResultOf<typeof ListQuery>["deployments"]["pageInfo"];
