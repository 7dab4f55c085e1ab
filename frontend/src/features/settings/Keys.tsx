import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import { useMutation, useQuery } from "urql";
import { date } from "@/lib/format";
import type { ResultOf } from "@/lib/graphql";
import { useShortcuts } from "@/lib/shortcuts";
import { choice, text, useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Dialog";
import { Empty } from "@/ui/Empty";
import { Select } from "@/ui/Field";
import { SearchInput } from "@/ui/SearchInput";
import { Badge } from "@/ui/Status";
import type { Column } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import { told } from "./act";
import { List } from "./List";
import { limitsInFull, limitsInShort } from "./limits";
import { NewKey } from "./NewKey";
import { KeysQuery, MineQuery, RevokeKeyMutation } from "./queries";
import { usePages } from "./usePages";

type Key = ResultOf<typeof KeysQuery>["apiKeys"]["nodes"][number];
const URL = { keys: choice(["active", "all"], "active"), q: text("") };

/** The account's API keys. */
export function Keys() {
  const [url, setUrl] = useUrlState(URL);
  const [{ data: mine }] = useQuery({ query: MineQuery });
  const pages = usePages(KeysQuery, { active: url.keys === "active", search: url.q || null }, (result) => result.apiKeys);
  const [, revoke] = useMutation(RevokeKeyMutation);
  const [making, setMaking] = useState(false);
  const [going, setGoing] = useState<Key>();
  useShortcuts([{ keys: "a", label: "New API key", run: () => setMaking(true) }]);
  const make = (
    <Button size="sm" tone="solid" icon={<Plus aria-hidden className="size-3.5" />} onClick={() => setMaking(true)}>
      New key
    </Button>
  );
  return (
    <>
      <List
        title="API keys"
        label="API keys"
        actions={
          <>
            <SearchInput
              label="Search keys"
              placeholder="Search"
              className="w-36"
              value={url.q}
              onChange={(q) => setUrl({ q })}
            />
            <Select
              aria-label="Which keys"
              className="h-7! w-auto! text-xs"
              value={url.keys}
              onChange={(event) => setUrl({ keys: event.target.value === "all" ? "all" : "active" })}
            >
              <option value="active">In force</option>
              <option value="all">All</option>
            </Select>
            {make}
          </>
        }
        columns={columns(mine?.viewer.apiKey.id, setGoing)}
        pages={pages}
        empty={
          <Empty
            icon={<KeyRound aria-hidden />}
            title={url.q ? "No key is called that" : "No key"}
            action={url.q ? undefined : make}
          >
            {url.q ? "Search for a part of its name." : "Programs and the command line call Burnish with a key."}
          </Empty>
        }
      />
      {making && <NewKey onClose={() => setMaking(false)} onMade={pages.again} />}
      <Confirm
        open={going !== undefined}
        onOpenChange={(open) => !open && setGoing(undefined)}
        title={`Revoke ${going?.name ?? ""}?`}
        action="Revoke it"
        onConfirm={async () => {
          if (!going) return;
          if (told(await revoke({ id: going.id }), (data) => data.revokeApiKey.errors, `${going.name} is revoked.`))
            pages.again();
        }}
      >
        Whatever uses it is refused from its next request on, open streams are closed, and browsers that signed in with it are
        signed out. A key that was revoked cannot be brought back. Jobs and deployments go on.
      </Confirm>
    </>
  );
}

const columns = (mine: string | undefined, onRevoke: (key: Key) => void): Column<Key>[] => [
  {
    id: "name",
    header: "Name",
    cell: (key) => (
      <span className="flex items-center gap-2">
        <span className="truncate font-medium">{key.name}</span>
        {key.id === mine && <Badge mood="live">in use here</Badge>}
      </span>
    ),
  },
  { id: "prefix", header: "Begins with", from: "sm", cell: (key) => <code className="font-mono text-xs">{key.prefix}…</code> },
  { id: "scopes", header: "May", from: "md", cell: (key) => key.scopes.join(", ") },
  { id: "limits", header: "Limits a minute", from: "lg", cell: (key) => <Limits of={key} /> },
  { id: "used", header: "Last used", from: "sm", cell: (key) => (key.lastUsedAt ? <Ago at={key.lastUsedAt} /> : "never") },
  { id: "made", header: "Created", from: "xl", cell: (key) => date(key.createdAt) },
  { id: "state", header: "In force", cell: (key) => <InForce of={key} /> },
  {
    id: "act",
    header: <span className="sr-only">Revoke</span>,
    numeric: true,
    cell: (key) =>
      key.revokedAt ? null : (
        <Button size="sm" tone="ghost" aria-label={`Revoke ${key.name}`} onClick={() => onRevoke(key)}>
          Revoke
        </Button>
      ),
  },
];

function Limits({ of }: { of: Key }) {
  const told = limitsInShort(of);
  return told ? <span title={limitsInFull(of)}>{told}</span> : <span className="text-ink-3">none</span>;
}

function InForce({ of: { revokedAt, expiresAt } }: { of: Key }) {
  if (revokedAt) return <Badge title={`Revoked ${date(revokedAt)}`}>revoked</Badge>;
  if (!expiresAt) return <span className="text-ink-3">until revoked</span>;
  if (Date.parse(expiresAt) < Date.now()) return <Badge title={`Expired ${date(expiresAt)}`}>expired</Badge>;
  return <>until {date(expiresAt)}</>;
}
