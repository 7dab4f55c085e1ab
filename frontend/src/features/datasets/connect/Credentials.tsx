import { ChevronRight } from "lucide-react";
import { Field, Input, Textarea } from "@/ui/Field";
import { kindOf, type SourceForm } from "./sources";

interface CredentialsProps {
  form: SourceForm;
  errors: Record<string, string>;
  change: (change: Partial<SourceForm>) => void;
}

/** What the source wants to see. Used once, never stored. */
export function Credentials({ form, errors, change }: CredentialsProps) {
  const kind = kindOf(form.type);
  const needed = kind.credentials.some((one) => one.required);
  return (
    <details
      className="group rounded-md border border-line"
      open={needed || Boolean(errors.credentials) || undefined}
      key={form.type}
    >
      <summary className="flex h-9 cursor-pointer select-none items-center gap-1.5 px-3 font-medium text-sm">
        <ChevronRight aria-hidden className="size-3.5 transition-transform group-open:rotate-90" />
        Credentials
        {!needed && <span className="font-normal text-ink-3 text-xs">where they are needed</span>}
      </summary>
      <div className="flex flex-col gap-3 border-line border-t p-3">
        <p className="text-ink-3 text-xs">{kind.credentialsHint} They are used for this request and never stored.</p>
        <div className="grid gap-3 sm:grid-cols-2">
          {kind.credentials.map((one) => (
            <Field
              key={one.name}
              label={one.label}
              optional={!one.required}
              error={errors[`credentials.${one.name}`]}
              className={one.long ? "sm:col-span-2" : ""}
            >
              {(ids) => {
                const common = {
                  ...ids,
                  value: form.credentials[one.name] ?? "",
                  placeholder: one.placeholder,
                  autoComplete: "off",
                  spellCheck: false,
                };
                const set = (value: string) => change({ credentials: { ...form.credentials, [one.name]: value } });
                return one.long ? (
                  <Textarea {...common} className="font-mono text-xs" onChange={(event) => set(event.target.value)} />
                ) : (
                  <Input {...common} type={one.secret ? "password" : "text"} onChange={(event) => set(event.target.value)} />
                );
              }}
            </Field>
          ))}
        </div>
        {errors.credentials && (
          <p role="alert" className="text-bad text-xs">
            {errors.credentials}
          </p>
        )}
      </div>
    </details>
  );
}
