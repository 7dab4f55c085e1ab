import { useState } from "react";
import { useQuery } from "urql";
import { NewPassword } from "@/features/session/NewPassword";
import { sentence } from "@/lib/errors";
import { count, date, dateTime } from "@/lib/format";
import { exactUsd, micros } from "@/lib/money";
import { Button } from "@/ui/Button";
import { Copyable } from "@/ui/Copy";
import { ErrorNote, Skeleton } from "@/ui/Empty";
import { Facts, Panel } from "@/ui/Panel";
import { Progress } from "@/ui/Progress";
import { toast } from "@/ui/Toast";
import { AccountQuery } from "./queries";

const WAYS = { PASSWORD: "with the password", API_KEY: "with an API key", LINK: "with a link" };

/** Who the account is, how it is billed, its password, and how much it may still ask. */
export function Account() {
  const [{ data, error }, again] = useQuery({ query: AccountQuery });
  const ask = () => again({ requestPolicy: "network-only" });
  const [changing, setChanging] = useState(false);
  if (error && !data) return <ErrorNote onRetry={ask}>{sentence(error)}</ErrorNote>;
  if (!data) return <Skeleton className="h-80" />;
  const { account, session } = data.viewer;
  const metered = account.billingMode === "metered";
  return (
    <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-2">
      <Panel title="Account">
        <Facts
          items={[
            ["Name", <strong key="name">{account.slug}</strong>],
            ["Id", <Copyable key="id" text={account.id} />],
            ["Email address", account.email ?? "none; the operator sets it"],
            account.isOperator && ["Role", "operator of this installation"],
            ["Billing", metered ? "metered: what is used is owed" : "prepaid: work stops where credit ends"],
            metered
              ? ["Used so far", exactUsd(-micros(account.balance.amount))]
              : ["Balance", `${exactUsd(account.balance.amount)}, of which ${exactUsd(account.available.amount)} are free`],
            account.stripeCustomerId !== null && ["At Stripe", account.stripeCustomerId],
            ["Created", date(account.createdAt)],
            session !== null && ["This browser", `signed in ${WAYS[session.signedInWith]}, until ${dateTime(session.expiresAt)}`],
          ]}
        />
      </Panel>
      <div className="flex min-w-0 flex-col gap-4">
        <Panel title="Password">
          {account.hasPassword && !changing ? (
            <div className="flex flex-wrap items-center justify-between gap-3 text-sm">
              <span className="text-ink-2">A password is set.</span>
              <Button onClick={() => setChanging(true)}>Change it</Button>
            </div>
          ) : (
            <>
              <p className="mb-3 text-ink-2 text-sm">
                {account.hasPassword
                  ? "All other browsers are signed out, and links that were not used work no more."
                  : "None is set: only a link or an API key signs in."}
              </p>
              <NewPassword
                account={account.slug}
                current={account.hasPassword && session?.signedInWith !== "LINK"}
                action={account.hasPassword ? "Change the password" : "Set the password"}
                onDone={() => {
                  setChanging(false);
                  toast("The password is set. All other browsers are signed out.", { mood: "good" });
                  ask();
                }}
                {...(changing ? { onSkip: () => setChanging(false) } : {})}
              />
            </>
          )}
        </Panel>
        <Panel title="Rate limit">
          {data.rateLimit ? (
            <div className="flex flex-col gap-2 text-sm tabular-nums">
              <Progress fraction={Number(data.rateLimit.used) / Number(data.rateLimit.limit)} label="Rate limit used" />
              <p className="text-ink-2">
                {count(data.rateLimit.remaining)} of {count(data.rateLimit.limit)} points are left; a minute gives all of them
                back, evenly. REST and GraphQL share them.
              </p>
            </div>
          ) : (
            <p className="text-ink-3 text-sm">This installation limits nothing.</p>
          )}
        </Panel>
      </div>
    </div>
  );
}
