import { MonitorSmartphone } from "lucide-react";
import { useState } from "react";
import { useMutation } from "urql";
import { date } from "@/lib/format";
import type { ResultOf } from "@/lib/graphql";
import { useSignOut } from "@/lib/useSignOut";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Dialog";
import { Empty } from "@/ui/Empty";
import { Badge } from "@/ui/Status";
import type { Column } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import { told } from "./act";
import { browserName } from "./browser";
import { List } from "./List";
import { RevokeSessionMutation, SessionsQuery } from "./queries";
import { usePages } from "./usePages";

type Session = ResultOf<typeof SessionsQuery>["sessions"]["nodes"][number];

/** The browsers that are signed in. */
export function Sessions() {
  const pages = usePages(SessionsQuery, {}, (result) => result.sessions);
  const [, revoke] = useMutation(RevokeSessionMutation);
  const signOut = useSignOut();
  const [going, setGoing] = useState<Session>();
  return (
    <>
      <List
        title="Signed-in browsers"
        label="Sessions"
        columns={columns((session) => (session.isCurrent ? void signOut() : setGoing(session)))}
        pages={pages}
        empty={
          <Empty icon={<MonitorSmartphone aria-hidden />} title="No browser is signed in">
            This page was opened with an API key.
          </Empty>
        }
      />
      <Confirm
        open={going !== undefined}
        onOpenChange={(open) => !open && setGoing(undefined)}
        title={`Sign out ${browserName(going?.userAgent ?? null)}?`}
        action="Sign it out"
        onConfirm={async () => {
          if (!going) return;
          if (told(await revoke({ id: going.id }), (data) => data.revokeSession.errors, "That browser is signed out."))
            pages.again();
        }}
      >
        It is refused from its next request on. Nothing that runs is touched.
      </Confirm>
    </>
  );
}

const columns = (onEnd: (session: Session) => void): Column<Session>[] => [
  {
    id: "browser",
    header: "Browser",
    cell: (session) => (
      <span className="flex items-center gap-2" title={session.userAgent ?? ""}>
        <span className="truncate font-medium">{browserName(session.userAgent)}</span>
        {session.isCurrent && <Badge mood="live">this one</Badge>}
      </span>
    ),
  },
  {
    id: "with",
    header: "Signed in with",
    from: "md",
    cell: ({ signedInWith, apiKey }) =>
      signedInWith === "API_KEY" ? `key ${apiKey?.name ?? ""}` : signedInWith === "LINK" ? "a link" : "the password",
  },
  { id: "begun", header: "Since", from: "sm", cell: (session) => <Ago at={session.createdAt} /> },
  { id: "used", header: "Last used", from: "sm", cell: (session) => <Ago at={session.lastUsedAt} /> },
  { id: "ends", header: "Ends", from: "lg", cell: (session) => date(session.expiresAt) },
  {
    id: "act",
    header: <span className="sr-only">Sign out</span>,
    numeric: true,
    cell: (session) => (
      <Button size="sm" tone="ghost" aria-label={`Sign out ${browserName(session.userAgent)}`} onClick={() => onEnd(session)}>
        Sign out
      </Button>
    ),
  },
];
