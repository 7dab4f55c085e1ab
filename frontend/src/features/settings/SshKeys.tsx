import { Plus, SquareTerminal } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useMutation } from "urql";
import { byField, sentence } from "@/lib/errors";
import { date } from "@/lib/format";
import type { ResultOf } from "@/lib/graphql";
import { useAttempt } from "@/lib/idempotency";
import { Button } from "@/ui/Button";
import { Copyable } from "@/ui/Copy";
import { Confirm, Dialog } from "@/ui/Dialog";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Field, Input, Textarea } from "@/ui/Field";
import type { Column } from "@/ui/Table";
import { toast } from "@/ui/Toast";
import { told } from "./act";
import { List } from "./List";
import { CreateSshKeyMutation, DeleteSshKeyMutation, SshKeysQuery } from "./queries";
import { usePages } from "./usePages";

type Key = ResultOf<typeof SshKeysQuery>["sshKeys"]["nodes"][number];

/** Pairs of SSH keys for rented machines. */
export function SshKeys() {
  const pages = usePages(SshKeysQuery, {}, (result) => result.sshKeys);
  const [, remove] = useMutation(DeleteSshKeyMutation);
  const [adding, setAdding] = useState(false);
  const [going, setGoing] = useState<Key>();
  const add = (
    <Button size="sm" icon={<Plus aria-hidden className="size-3.5" />} onClick={() => setAdding(true)}>
      Add a pair
    </Button>
  );
  return (
    <>
      <List
        title="SSH keys"
        label="SSH keys"
        actions={add}
        columns={columns(setGoing)}
        pages={pages}
        empty={
          <Empty icon={<SquareTerminal aria-hidden />} title="No SSH key" action={add}>
            A pair lets Burnish reach machines that you rent. The private key is encrypted, and never shown again.
          </Empty>
        }
      />
      {adding && (
        <AddPair
          onClose={() => setAdding(false)}
          onAdded={() => {
            setAdding(false);
            pages.again();
          }}
        />
      )}
      <Confirm
        open={going !== undefined}
        onOpenChange={(open) => !open && setGoing(undefined)}
        title={`Delete ${going?.name ?? ""}?`}
        action="Delete it"
        onConfirm={async () => {
          if (!going) return;
          if (told(await remove({ id: going.id }), (data) => data.deleteSshKey.errors, `${going.name} is deleted.`))
            pages.again();
        }}
      >
        Both halves are erased here and cannot be had back. Machines that know its public half still let it in: take it out there
        too.
      </Confirm>
    </>
  );
}

const columns = (onDelete: (key: Key) => void): Column<Key>[] => [
  { id: "name", header: "Name", cell: (key) => <span className="font-medium">{key.name}</span> },
  { id: "provider", header: "Provider", from: "md", cell: (key) => key.provider ?? <span className="text-ink-3">any</span> },
  { id: "fingerprint", header: "Fingerprint", from: "sm", cell: (key) => <Copyable text={key.fingerprint} /> },
  { id: "made", header: "Added", from: "lg", cell: (key) => date(key.createdAt) },
  {
    id: "act",
    header: <span className="sr-only">Delete</span>,
    numeric: true,
    cell: (key) => (
      <Button size="sm" tone="ghost" aria-label={`Delete ${key.name}`} onClick={() => onDelete(key)}>
        Delete
      </Button>
    ),
  },
];

const FIELDS = ["name", "publicKey", "privateKey", "provider"] as const;

function AddPair({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }) {
  const keyOf = useAttempt();
  const [{ fetching }, run] = useMutation(CreateSshKeyMutation);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const given = (name: (typeof FIELDS)[number]) => String(form.get(name) ?? "");
    const input = {
      name: given("name").trim(),
      publicKey: given("publicKey").trim(),
      privateKey: given("privateKey"),
      provider: given("provider").trim() || null,
    };
    const { data, error } = await run({ input: { ...input, idempotencyKey: keyOf(input) } });
    if (error || !data) return setErrors({ "": error ? sentence(error) : "No answer came." });
    if (data.createSshKey.errors.length > 0) return setErrors(byField(data.createSshKey.errors, FIELDS));
    toast("The pair is kept.", { mood: "good" });
    onAdded();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Add an SSH pair"
      description="RSA of 2048 bits or more, Ed25519 or ECDSA, without a passphrase."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form="ssh" tone="solid" busy={fetching}>
            Keep it
          </Button>
        </>
      }
    >
      <form id="ssh" className="flex flex-col gap-3" onSubmit={(event) => void submit(event)} noValidate>
        {errors[""] && <ErrorNote>{errors[""]}</ErrorNote>}
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Name" error={errors.name}>
            {(ids) => <Input {...ids} name="name" autoFocus required />}
          </Field>
          <Field label="Provider" optional error={errors.provider}>
            {(ids) => <Input {...ids} name="provider" placeholder="lambda" />}
          </Field>
        </div>
        <Field label="Public key" error={errors.publicKey}>
          {(ids) => (
            <Textarea
              {...ids}
              name="publicKey"
              className="font-mono text-xs"
              placeholder="ssh-ed25519 AAAA…"
              spellCheck={false}
            />
          )}
        </Field>
        <Field label="Private key" error={errors.privateKey} hint="It is encrypted at rest and never given out.">
          {(ids) => (
            <Textarea
              {...ids}
              name="privateKey"
              className="min-h-32 font-mono text-xs"
              placeholder="-----BEGIN OPENSSH PRIVATE KEY-----"
              autoComplete="off"
              spellCheck={false}
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}
