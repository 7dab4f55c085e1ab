import { type FormEvent, useState } from "react";
import { useMutation } from "urql";
import { byField, sentence } from "@/lib/errors";
import { Button } from "@/ui/Button";
import { ErrorNote } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import { SetPasswordMutation } from "./queries";

export const SHORTEST = 10;

interface Props {
  /** The account's name, so that the browser keeps it with the password. */
  account: string;
  /** Whether the present one has to be given. */
  current?: boolean;
  action?: string;
  onDone: () => void;
  onSkip?: () => void;
}

/** Sets the account's password. */
export function NewPassword({ account, current = false, action = "Set the password", onDone, onSkip }: Props) {
  const [{ fetching }, run] = useMutation(SetPasswordMutation);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const newPassword = String(given.get("new"));
    if (newPassword !== given.get("again")) return setErrors({ again: "The two are not the same." });
    if (newPassword.length < SHORTEST) return setErrors({ newPassword: `At least ${SHORTEST} characters.` });
    const { data, error } = await run({
      input: { newPassword, ...(current ? { currentPassword: String(given.get("current")) } : {}) },
    });
    if (error || !data) return setErrors({ "": error ? sentence(error) : "No answer came." });
    if (data.setPassword.errors.length > 0)
      return setErrors(byField(data.setPassword.errors, ["newPassword", "currentPassword"]));
    form.reset();
    setErrors({});
    onDone();
  };
  return (
    <form className="flex flex-col gap-3.5" onSubmit={(event) => void submit(event)} noValidate>
      {errors[""] && <ErrorNote>{errors[""]}</ErrorNote>}
      <input type="text" name="account" autoComplete="username" defaultValue={account} hidden />
      {current && (
        <Field label="Current password" error={errors.currentPassword}>
          {(ids) => <Input {...ids} name="current" type="password" autoComplete="current-password" required />}
        </Field>
      )}
      <Field label="New password" hint={`${SHORTEST} characters at least; a sentence is good.`} error={errors.newPassword}>
        {(ids) => <Input {...ids} name="new" type="password" autoComplete="new-password" maxLength={1024} required />}
      </Field>
      <Field label="Once more" error={errors.again}>
        {(ids) => <Input {...ids} name="again" type="password" autoComplete="new-password" maxLength={1024} required />}
      </Field>
      <div className="flex flex-wrap gap-2">
        <Button type="submit" tone="solid" busy={fetching}>
          {action}
        </Button>
        {onSkip && (
          <Button tone="ghost" onClick={onSkip}>
            Later
          </Button>
        )}
      </div>
    </form>
  );
}
