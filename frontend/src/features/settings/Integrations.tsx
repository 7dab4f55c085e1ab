import { type FormEvent, useState } from "react";
import { useMutation, useQuery } from "urql";
import { sentence } from "@/lib/errors";
import type { ResultOf } from "@/lib/graphql";
import { Button } from "@/ui/Button";
import { Confirm, Dialog } from "@/ui/Dialog";
import { ErrorNote, Skeleton } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import { Panel } from "@/ui/Panel";
import { Badge } from "@/ui/Status";
import { Ago } from "@/ui/Time";
import { toast } from "@/ui/Toast";
import { told } from "./act";
import { IntegrationsQuery, RemoveIntegrationMutation, SetIntegrationMutation } from "./queries";

type Integration = ResultOf<typeof IntegrationsQuery>["integrations"][number];
type Provider = Integration["provider"];

/** What each is for, and whether its credential is called a token. */
const KNOWN: Record<Provider, { name: string; use: string; token?: boolean }> = {
  HUGGINGFACE: { name: "Hugging Face", use: "Reads private models and datasets, and delivers checkpoints.", token: true },
  WANDB: { name: "Weights & Biases", use: "Sends the metrics of jobs there too." },
  OPENREWARD: { name: "OpenReward", use: "Environments that jobs learn in." },
  PRIME_INTELLECT: { name: "Prime Intellect", use: "Rents hardware there." },
  LAMBDA: { name: "Lambda", use: "Rents hardware there." },
  RUNPOD: { name: "RunPod", use: "Rents hardware there." },
};

/** Credentials of other services. They are encrypted, and shown by their first characters at most. */
export function Integrations() {
  const [{ data, error }, again] = useQuery({ query: IntegrationsQuery });
  const ask = () => again({ requestPolicy: "network-only" });
  const [, remove] = useMutation(RemoveIntegrationMutation);
  const [open, setOpen] = useState<{ of: Integration; act: "set" | "remove" }>();
  if (error && !data) return <ErrorNote onRetry={ask}>{sentence(error)}</ErrorNote>;
  if (!data) return <Skeleton className="h-80" />;
  return (
    <Panel title="Integrations" flush>
      <ul className="divide-y divide-line">
        {data.integrations.map((one) => (
          <li key={one.provider} className="flex flex-wrap items-center justify-between gap-3 px-3 py-3">
            <div className="min-w-0">
              <p className="flex flex-wrap items-center gap-2 font-medium text-sm">
                {KNOWN[one.provider].name}
                {one.configured && <Badge mood="good">connected</Badge>}
              </p>
              <p className="text-ink-3 text-xs">
                {KNOWN[one.provider].use}
                {one.configured && (
                  <>
                    {" "}
                    {one.keyPrefix && <code className="font-mono">{one.keyPrefix}…</code>} set <Ago at={one.updatedAt} />.
                  </>
                )}
              </p>
            </div>
            <div className="flex gap-2">
              {one.configured && (
                <Button
                  size="sm"
                  tone="ghost"
                  aria-label={`Disconnect ${KNOWN[one.provider].name}`}
                  onClick={() => setOpen({ of: one, act: "remove" })}
                >
                  Disconnect
                </Button>
              )}
              <Button
                size="sm"
                aria-label={`${one.configured ? "Replace" : "Connect"} ${KNOWN[one.provider].name}`}
                onClick={() => setOpen({ of: one, act: "set" })}
              >
                {one.configured ? "Replace" : "Connect"}
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {open?.act === "set" && (
        <Connect
          provider={open.of.provider}
          onClose={() => setOpen(undefined)}
          onDone={() => {
            setOpen(undefined);
            ask();
          }}
        />
      )}
      <Confirm
        open={open?.act === "remove"}
        onOpenChange={(to) => !to && setOpen(undefined)}
        title={`Disconnect ${open ? KNOWN[open.of.provider].name : ""}?`}
        action="Disconnect"
        onConfirm={async () => {
          if (!open) return;
          const answer = await remove({ input: { provider: open.of.provider } });
          if (told(answer, (result) => result.removeIntegration.errors, `${KNOWN[open.of.provider].name} is disconnected.`))
            ask();
        }}
      >
        The credential is erased here. Jobs that need it later fail; what was read or delivered stays.
      </Confirm>
    </Panel>
  );
}

function Connect({ provider, onClose, onDone }: { provider: Provider; onClose: () => void; onDone: () => void }) {
  const { name, token } = KNOWN[provider];
  const [{ fetching }, run] = useMutation(SetIntegrationMutation);
  const [problem, setProblem] = useState<string>();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const secret = String(new FormData(event.currentTarget).get("secret")).trim();
    if (!secret) return setProblem("It is empty.");
    const { data, error } = await run({ input: { provider, ...(token ? { token: secret } : { apiKey: secret }) } });
    const refused = data?.setIntegration.errors.map((one) => [one.message, one.hint].filter(Boolean).join(" ")).join(" ");
    if (error || refused) return setProblem(refused || (error && sentence(error)));
    toast(`${name} is connected.`, { mood: "good" });
    onDone();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Connect ${name}`}
      description="It is encrypted at rest and never given out."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form="connect" tone="solid" busy={fetching}>
            Keep it
          </Button>
        </>
      }
    >
      <form id="connect" onSubmit={(event) => void submit(event)} noValidate>
        <Field label={token ? "Token" : "API key"} error={problem}>
          {(ids) => <Input {...ids} name="secret" type="password" autoComplete="off" className="font-mono" autoFocus required />}
        </Field>
      </form>
    </Dialog>
  );
}
