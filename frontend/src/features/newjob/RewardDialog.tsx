import { useRef, useState } from "react";
import { useClient } from "urql";
import { CreateReward, FORMAT_CALLS, FORMAT_NAMES, FORMATS, type Format } from "@/features/rewards/documents";
import { TEMPLATES } from "@/features/rewards/playground/templates";
import { sentence } from "@/lib/errors";
import { newKey } from "@/lib/idempotency";
import { Button } from "@/ui/Button";
import { CodeEditor, type Issue } from "@/ui/CodeEditor";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input, Select } from "@/ui/Field";

/** Write a reward function, from a starter or from nothing. It is tried on samples before it is kept. */
export function RewardDialog({ onClose, onDone }: { onClose: () => void; onDone: (id: string) => void }) {
  const client = useClient();
  const [name, setName] = useState("");
  const [format, setFormat] = useState<Format>("TRL");
  const [source, setSource] = useState(TEMPLATES[0]?.source ?? "");
  const [issues, setIssues] = useState<Issue[]>([]);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const attempt = useRef(newKey());
  const touch = () => {
    attempt.current = newKey();
    setIssues([]);
    setProblem("");
  };

  const save = async () => {
    setBusy(true);
    setProblem("");
    const input = { name: name.trim(), source, format, idempotencyKey: attempt.current };
    const { data, error } = await client
      .mutation(CreateReward, { input }, { additionalTypenames: ["RewardFunction"] })
      .toPromise();
    setBusy(false);
    const made = data?.createRewardFunction;
    if (made?.rewardFunction) onDone(made.rewardFunction.id);
    else if (error) setProblem(sentence(error));
    else {
      setProblem(made?.errors.map(({ message }) => message).join(" ") ?? "");
      setIssues(made?.errors.flatMap((one) => ("issues" in one ? [...one.issues] : [])) ?? []);
    }
  };
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && !busy && onClose()}
      title="Write a reward function"
      description="It runs in a jail, without network and files, and is tried before it is kept."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="solid" busy={busy} disabled={!name.trim() || !source.trim()} onClick={() => void save()}>
            Keep it
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-3">
        <div className="grid gap-3 sm:grid-cols-3">
          <Field label="Name">
            {(ids) => (
              <Input
                {...ids}
                value={name}
                maxLength={128}
                placeholder="exact-match"
                onChange={(event) => {
                  touch();
                  setName(event.target.value);
                }}
              />
            )}
          </Field>
          <Field label="Start from">
            {(ids) => (
              <Select
                {...ids}
                defaultValue={TEMPLATES[0]?.id}
                onChange={(event) => {
                  touch();
                  setFormat("TRL");
                  setSource(TEMPLATES.find((one) => one.id === event.target.value)?.source ?? "");
                }}
              >
                {TEMPLATES.map((one) => (
                  <option key={one.id} value={one.id}>
                    {one.name}
                  </option>
                ))}
                <option value="">Nothing</option>
              </Select>
            )}
          </Field>
          <Field label="Called as" hint={<code className="break-words">{FORMAT_CALLS[format]}</code>}>
            {(ids) => (
              <Select
                {...ids}
                value={format}
                onChange={(event) => {
                  touch();
                  setFormat(event.target.value as Format);
                }}
              >
                {FORMATS.map((one) => (
                  <option key={one} value={one}>
                    {FORMAT_NAMES[one]}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <CodeEditor
          label="Source of the reward function"
          value={source}
          issues={issues}
          className="h-80"
          onChange={(to) => {
            touch();
            setSource(to);
          }}
        />
        {problem && <ErrorNote>{problem}</ErrorNote>}
      </div>
    </Dialog>
  );
}
