import { Link, useNavigate } from "@tanstack/react-router";
import { FlaskConical, Play, Plus } from "lucide-react";
import { useRef, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { flag, text, useUrlState } from "@/lib/url";
import { Button, buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Page, Panel } from "@/ui/Panel";
import { SearchInput } from "@/ui/SearchInput";
import { DeleteRewardDialog } from "./DeleteRewardDialog";
import { type RewardRow, RewardsQuery } from "./documents";
import { NewReward } from "./NewReward";
import { TEMPLATES } from "./playground/templates";
import { RewardsTable } from "./RewardsTable";
import { listSnippets } from "./snippets";

const URL = { q: text(""), new: flag() };
const PAGE = 50;

/** The account's reward functions. */
export default function RewardsPage() {
  useTitle("Rewards");
  const navigate = useNavigate();
  const [view, setView] = useUrlState(URL);
  const [first, setFirst] = useState(PAGE);
  const [deleting, setDeleting] = useState<RewardRow | null>(null);
  const [{ data, error, fetching }, again] = useQuery({
    query: RewardsQuery,
    variables: { first, after: null, search: view.q.trim() || null },
  });
  const rows = data?.rewardFunctions.nodes;
  const open = (id: string) => void navigate({ to: "/rewards/$id", params: { id } });
  const search = useRef<HTMLInputElement>(null);
  useShortcuts([
    { keys: "u", label: "New reward function", run: () => setView({ new: true }) },
    { keys: "/", label: "Search the reward functions", run: () => search.current?.focus() },
  ]);

  return (
    <Page
      title="Rewards"
      actions={
        <>
          <CopyAs title="List reward functions" snippets={listSnippets} />
          <Link to="/rewards/playground" className={buttonClass()}>
            <Play aria-hidden className="size-3.5" />
            Playground
          </Link>
          <Button tone="solid" icon={<Plus aria-hidden className="size-3.5" />} onClick={() => setView({ new: true })}>
            New reward function
          </Button>
        </>
      }
    >
      <SearchInput
        label="Search by name or id"
        className="max-w-80"
        keys="/"
        value={view.q}
        onChange={(q) => setView({ q })}
        ref={search}
      />
      {error && <ErrorNote onRetry={() => again({ requestPolicy: "network-only" })}>{sentence(error)}</ErrorNote>}
      {(rows || !error) && (
        <Panel flush>
          <h2 className="sr-only">Reward functions</h2>
          <RewardsTable
            rows={rows}
            onOpen={(row) => open(row.id)}
            onDelete={setDeleting}
            empty={view.q ? <Empty title="Nothing is called that">No name or id contains “{view.q}”.</Empty> : <FirstReward />}
          />
        </Panel>
      )}
      {data?.rewardFunctions.pageInfo.hasNextPage && first < 100 && (
        <Button className="self-center" busy={fetching} onClick={() => setFirst(100)}>
          Show more
        </Button>
      )}
      {data?.rewardFunctions.pageInfo.hasNextPage && first >= 100 && (
        <p className="text-center text-ink-3 text-xs">The newest 100 are shown. Search for the others by name.</p>
      )}
      {view.new && <NewReward onClose={() => setView({ new: false })} onMade={open} />}
      {deleting && (
        <DeleteRewardDialog
          reward={deleting}
          onClose={() => setDeleting(null)}
          onDeleted={() => again({ requestPolicy: "network-only" })}
        />
      )}
    </Page>
  );
}

function FirstReward() {
  return (
    <Empty
      icon={<FlaskConical />}
      title="No reward functions yet"
      action={TEMPLATES.slice(0, 3).map((one) => (
        <Link key={one.id} to="/rewards/playground" search={{ template: one.id } as never} className={buttonClass("plain", "sm")}>
          {one.name}
        </Link>
      ))}
    >
      A reward function is a small Python file that says how good a completion is. Begin with one that works, try it on samples,
      and save it when it is right.
    </Empty>
  );
}
