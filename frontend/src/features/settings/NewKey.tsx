import { type FormEvent, useState } from "react";
import { useMutation, useQuery } from "urql";
import { byField, sentence } from "@/lib/errors";
import { useAttempt } from "@/lib/idempotency";
import { Button } from "@/ui/Button";
import { CodeBlock } from "@/ui/Copy";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote, Note } from "@/ui/Empty";
import { Checkbox, Field, Input, Select } from "@/ui/Field";
import { limitOf, NO_LIMIT } from "./limits";
import { CreateKeyMutation, MineQuery } from "./queries";

const SCOPES = [
  { id: "read", hint: "See everything of the account" },
  { id: "write", hint: "Start, stop, upload and delete" },
  { id: "inference", hint: "Call deployments" },
];
const DAY = 86_400;
const EXPIRIES = [
  { label: "never", seconds: null },
  { label: "in 7 days", seconds: 7 * DAY },
  { label: "in 30 days", seconds: 30 * DAY },
  { label: "in 90 days", seconds: 90 * DAY },
  { label: "in a year", seconds: 365 * DAY },
];

const LIMITS = [
  { id: "inferenceRequestsPerMinute", label: "Requests a minute", hint: "Completions that it may ask for." },
  { id: "inferenceTokensPerMinute", label: "Tokens a minute", hint: "Of prompts and answers together." },
] as const;
const FIELDS = ["name", "scopes", "expiresInSeconds", ...LIMITS.map(({ id }) => id)];

/** Makes a key, and shows it once. */
export function NewKey({ onClose, onMade }: { onClose: () => void; onMade: () => void }) {
  const [{ data: known, error: failure }, ask] = useQuery({ query: MineQuery, requestPolicy: "cache-first" });
  const mine = known?.viewer.apiKey.scopes;
  const keyOf = useAttempt();
  const [{ fetching }, run] = useMutation(CreateKeyMutation);
  const [secret, setSecret] = useState<{ name: string; text: string }>();
  const [errors, setErrors] = useState<Record<string, string>>({});
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const scopes = given.getAll("scopes").map(String);
    if (scopes.length === 0) return setErrors({ scopes: "It needs at least one." });
    const limits = LIMITS.map(({ id }) => [id, limitOf(String(given.get(id)))] as const);
    const odd = limits.filter(([, limit]) => limit === undefined);
    if (odd.length > 0) return setErrors(Object.fromEntries(odd.map(([id]) => [id, NO_LIMIT])));
    const seconds = EXPIRIES[Number(given.get("expiry"))]?.seconds ?? null;
    const input = {
      name: String(given.get("name")).trim(),
      scopes,
      ...(seconds === null ? {} : { expiresInSeconds: seconds }),
      ...Object.fromEntries(limits.filter(([, limit]) => limit !== null)),
    };
    const { data, error } = await run({ input: { ...input, idempotencyKey: keyOf(input) } });
    if (error || !data) return setErrors({ "": error ? sentence(error) : "No answer came." });
    const { errors: refused, secret: text, apiKey } = data.createApiKey;
    // It was made before, and the answer with its text was lost: nobody can have it any more.
    if (refused.length === 0 && !text) {
      onMade();
      return setErrors({
        "": `${apiKey?.name ?? "The key"} was made, but its text was lost on the way here. Revoke it, and make another.`,
      });
    }
    if (refused.length > 0 || !text) return setErrors(byField(refused, FIELDS));
    setSecret({ name: apiKey?.name ?? "", text });
    onMade();
  };
  if (secret) {
    return (
      <Dialog
        open
        onOpenChange={(open) => !open && onClose()}
        title={`The key ${secret.name}`}
        footer={
          <Button tone="solid" onClick={onClose}>
            I have kept it
          </Button>
        }
      >
        <div className="flex flex-col gap-3">
          <Note mood="warn">It is shown this once. Nobody can show it again: not you, not the operator.</Note>
          <CodeBlock label="the key" code={secret.text} />
          <CodeBlock label="the line for a shell" code={`export BURNISH_API_KEY=${secret.text}`} />
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="New API key"
      description="For programs and the command line. It is shown once."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form="new-key" tone="solid" busy={fetching} disabled={!mine}>
            Make the key
          </Button>
        </>
      }
    >
      <form id="new-key" className="flex flex-col gap-4" onSubmit={(event) => void submit(event)} noValidate>
        {errors[""] && <ErrorNote>{errors[""]}</ErrorNote>}
        {failure && !mine && <ErrorNote onRetry={() => ask({ requestPolicy: "network-only" })}>{sentence(failure)}</ErrorNote>}
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Name" hint="Where it is used, such as ci." error={errors.name}>
            {(ids) => <Input {...ids} name="name" maxLength={100} autoFocus required />}
          </Field>
          <Field label="Expires" error={errors.expiresInSeconds}>
            {(ids) => (
              <Select {...ids} name="expiry" defaultValue={3}>
                {EXPIRIES.map((one, index) => (
                  <option key={one.label} value={index}>
                    {one.label}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        {/* Another one once it is known what may be given: a box keeps the tick that it was drawn with. */}
        <fieldset key={mine ? "known" : "asked"} className="flex flex-col gap-2">
          <legend className="mb-1.5 font-medium text-xs">What it may do</legend>
          {SCOPES.map(({ id, hint }) => (
            <Checkbox
              key={id}
              name="scopes"
              value={id}
              label={<span className="font-medium">{id}</span>}
              hint={!mine || mine.includes(id) ? hint : "You may not give what you have not yourself"}
              defaultChecked={mine?.includes(id)}
              disabled={!mine?.includes(id)}
            />
          ))}
          {errors.scopes && (
            <p role="alert" className="text-bad text-xs">
              {errors.scopes}
            </p>
          )}
        </fieldset>
        <fieldset className="grid gap-3 sm:grid-cols-2">
          <legend className="mb-1.5 font-medium text-xs">What it may ask of deployments</legend>
          {LIMITS.map(({ id, label, hint }) => (
            <Field key={id} label={label} hint={hint} error={errors[id]} optional>
              {(ids) => <Input {...ids} name={id} inputMode="numeric" autoComplete="off" placeholder="no limit of its own" />}
            </Field>
          ))}
        </fieldset>
      </form>
    </Dialog>
  );
}
