import { useSearch } from "@tanstack/react-router";
import { CircleCheck, Terminal } from "lucide-react";
import { useState } from "react";
import { useMutation, useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { newKey } from "@/lib/idempotency";
import { useTitle } from "@/lib/page";
import { useSignInWhenNeeded } from "@/lib/useSignInWhenNeeded";
import { Button } from "@/ui/Button";
import { ErrorNote } from "@/ui/Empty";
import { Facts } from "@/ui/Panel";
import { Card } from "./Card";
import { type CliLogin, cliLogin, handOver } from "./link";
import { CliKeyMutation, CliRevokeMutation, CliViewerQuery } from "./queries";

/** Asks whether a command line may use the account, and hands it a key of its own. */
export default function CliLoginPage() {
  useTitle("Command line");
  useSignInWhenNeeded();
  const wish = cliLogin(useSearch({ strict: false }) as Record<string, unknown>);
  if (typeof wish === "string") {
    return (
      <Card title="This address is incomplete" lead="Start the sign-in on the command line once more.">
        <ErrorNote>{wish}</ErrorNote>
      </Card>
    );
  }
  return <Asking wish={wish} />;
}

function Asking({ wish }: { wish: CliLogin }) {
  const [{ data, error }] = useQuery({ query: CliViewerQuery });
  const [, create] = useMutation(CliKeyMutation);
  const [, revoke] = useMutation(CliRevokeMutation);
  const [state, setState] = useState<"asking" | "busy" | "done" | "refused">("asking");
  const [failure, setFailure] = useState<string>();
  const allow = async () => {
    setState("busy");
    setFailure(undefined);
    const made = await create({ input: { name: wish.host, idempotencyKey: newKey() } });
    const { apiKey, secret, errors = [] } = made.data?.createApiKey ?? {};
    if (!apiKey || !secret) {
      setState("asking");
      return setFailure(made.error ? sentence(made.error) : errors.map((one) => one.message).join(" "));
    }
    if (await handOver(wish, secret)) return setState("done");
    await revoke({ id: apiKey.id });
    setState("asking");
    setFailure(
      "No command line took the key, so it was revoked again. Start the sign-in there once more, and open this on the same machine.",
    );
  };
  if (state === "done") {
    return (
      <Card title="The command line is signed in" lead="You can close this tab. Settings lists its key, and revokes it.">
        <p className="flex items-center justify-center gap-2 text-good text-sm">
          <CircleCheck aria-hidden className="size-4" />
          {wish.host} has a key of its own.
        </p>
      </Card>
    );
  }
  if (state === "refused") {
    return (
      <Card title="Nothing was handed over" lead="You can close this tab; the command line gives up by itself.">
        <Button className="w-full" onClick={() => setState("asking")}>
          I did start it after all
        </Button>
      </Card>
    );
  }
  return (
    <Card
      title={`Let the command line on ${wish.host} use this account?`}
      lead="Only if it was you who just started a sign-in there."
      below="The key goes to a program on this computer and nowhere else."
    >
      <div className="flex flex-col gap-4">
        {(failure || error) && <ErrorNote>{failure ?? (error && sentence(error))}</ErrorNote>}
        <Facts
          items={[
            ["Account", data?.viewer.account.slug ?? "…"],
            ["Gets", `a key named ${wish.host}, until it is revoked`],
            ["May", data?.viewer.apiKey.scopes.join(", ") ?? "…"],
          ]}
        />
        <div className="grid grid-cols-2 gap-2">
          <Button onClick={() => setState("refused")}>No</Button>
          <Button
            tone="solid"
            busy={state === "busy"}
            disabled={!data}
            icon={<Terminal aria-hidden className="size-3.5" />}
            onClick={() => void allow()}
          >
            Allow
          </Button>
        </div>
      </div>
    </Card>
  );
}
