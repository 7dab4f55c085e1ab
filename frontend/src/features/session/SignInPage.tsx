import { useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { type Client, useClient, useMutation } from "urql";
import { byField, sentence } from "@/lib/errors";
import { belongTo } from "@/lib/own";
import { useTitle } from "@/lib/page";
import { placeToReturn } from "@/lib/session";
import { Button } from "@/ui/Button";
import { Copyable } from "@/ui/Copy";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import { Tabs } from "@/ui/Tabs";
import { Card } from "./Card";
import { linkIn } from "./link";
import { NewPassword } from "./NewPassword";
import { HasPasswordQuery, SignInMutation } from "./queries";

// Read once, and taken out of the address: whoever looks at it or copies it afterwards has nothing of it.
const link = linkIn(location.hash);
if (link) history.replaceState(history.state, "", location.pathname + location.search);
// A link that is pasted where this page is open already loads nothing by itself: only the hash changes.
addEventListener("hashchange", () => linkIn(location.hash) && location.reload());

const WAYS = [
  { id: "password", label: "Password" },
  { id: "key", label: "API key" },
] as const;
type Way = (typeof WAYS)[number]["id"];

/** Who is in now: what this browser kept for others is theirs. */
async function owned(client: Client) {
  const who = await client.query(HasPasswordQuery, {}, { requestPolicy: "network-only" });
  // The whole page is about to be loaded anyway.
  if (who.data) belongTo(who.data.viewer.account.id, () => {});
  return who;
}

export default function SignInPage() {
  useTitle("Sign in");
  const { to } = useSearch({ strict: false }) as { to?: unknown };
  // The whole page anew, so that nothing of another account stays in memory.
  const go = () => location.replace(placeToReturn(to));
  const [failure, setFailure] = useState<string>();
  if (link && failure === undefined) return <ByLink link={link} onIn={go} onFailure={setFailure} />;
  return <ByHand onIn={go} failure={failure} returning={placeToReturn(to) !== "/"} />;
}

function ByHand({ onIn, failure, returning }: { onIn: () => void; failure: string | undefined; returning: boolean }) {
  const [way, setWay] = useState<Way>("password");
  const client = useClient();
  const [{ fetching }, run] = useMutation(SignInMutation);
  const [done, setDone] = useState(false);
  const [errors, setErrors] = useState<Record<string, string>>(failure ? { "": failure } : {});
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const text = (name: string) => String(given.get(name) ?? "").trim();
    const input =
      way === "key" ? { apiKey: text("key") } : { account: text("account"), password: String(given.get("password") ?? "") };
    const { data, error } = await run({ input });
    if (error || !data) return setErrors({ "": error ? sentence(error) : "No answer came." });
    if (data.signIn.errors.length > 0) return setErrors(byField(data.signIn.errors, ["account", "password", "apiKey"]));
    setDone(true);
    await owned(client);
    onIn();
  };
  return (
    <Card
      title="Sign in to Burnish"
      lead={returning ? "You go on where you were." : undefined}
      below={
        <>
          No password yet? On the machine that Burnish runs on, this makes a link that signs in once:
          <span className="mt-1 flex justify-center">
            <Copyable text="burnish accounts link NAME" className="text-ink-2" />
          </span>
        </>
      }
    >
      <Tabs
        label="How to sign in"
        tabs={WAYS}
        value={way}
        onChange={(to) => {
          setWay(to);
          setErrors({});
        }}
      >
        <form className="flex flex-col gap-3.5 pt-1" onSubmit={(event) => void submit(event)} noValidate>
          {errors[""] && <ErrorNote>{errors[""]}</ErrorNote>}
          {way === "password" ? (
            <>
              <Field label="Account" error={errors.account}>
                {(ids) => (
                  <Input
                    {...ids}
                    key="account"
                    name="account"
                    autoComplete="username"
                    autoCapitalize="none"
                    spellCheck={false}
                    placeholder="Name or email address"
                    autoFocus
                    required
                  />
                )}
              </Field>
              <Field label="Password" error={errors.password}>
                {(ids) => (
                  <Input {...ids} key="password" name="password" type="password" autoComplete="current-password" required />
                )}
              </Field>
            </>
          ) : (
            <Field label="API key" error={errors.apiKey} hint="The session may do what the key may, and ends with it.">
              {(ids) => (
                <Input
                  {...ids}
                  key="key"
                  name="key"
                  type="password"
                  autoComplete="off"
                  placeholder="vk_…"
                  className="font-mono"
                  autoFocus
                  required
                />
              )}
            </Field>
          )}
          <Button type="submit" tone="solid" busy={fetching || done} className="w-full">
            Sign in
          </Button>
        </form>
      </Tabs>
    </Card>
  );
}

/** Asks first: a link that somebody else has sent must not sign anybody in to an account that is not theirs. */
function ByLink({ link, onIn, onFailure }: { link: string; onIn: () => void; onFailure: (message: string) => void }) {
  const client = useClient();
  const [account, setAccount] = useState<string>();
  const [busy, setBusy] = useState(false);
  const use = async () => {
    setBusy(true);
    const { data, error } = await client.mutation(SignInMutation, { input: { link } });
    const refused = data?.signIn.errors.map((one) => [one.message, one.hint].filter(Boolean).join(" ")).join(" ");
    if (error || refused) return onFailure(refused || (error ? sentence(error) : ""));
    const who = await owned(client);
    if (!who.data || who.data.viewer.account.hasPassword) onIn();
    else setAccount(who.data.viewer.account.slug);
  };
  if (account === undefined) {
    return (
      <Card title="Sign in to Burnish" lead="Your link signs this browser in, once.">
        <Button tone="solid" busy={busy} autoFocus className="w-full" onClick={() => void use()}>
          Sign in
        </Button>
      </Card>
    );
  }
  return (
    <Card
      title="You are in"
      lead={
        <>
          The link to <strong className="font-semibold">{account}</strong> worked, and works no more. Set a password to come back
          from any browser.
        </>
      }
    >
      <NewPassword account={account} onDone={onIn} onSkip={onIn} />
    </Card>
  );
}
