import { Field, Input, Select, Textarea } from "@/ui/Field";
import { isDatabase, KINDS, kindOf, type SourceForm, type SourceType } from "./sources";

interface SourceFieldsProps {
  form: SourceForm;
  errors: Record<string, string>;
  change: (change: Partial<SourceForm>) => void;
}

/** Where the rows are. */
export function SourceFields({ form, errors, change }: SourceFieldsProps) {
  const kind = kindOf(form.type);
  return (
    <>
      <Field label="Source" error={errors.sourceType}>
        {(ids) => (
          <Select
            {...ids}
            value={form.type}
            onChange={(event) => change({ type: event.target.value as SourceType, credentials: {} })}
          >
            {KINDS.map(({ type, label }) => (
              <option key={type} value={type}>
                {label}
              </option>
            ))}
          </Select>
        )}
      </Field>
      {form.type === "HF" && (
        <div className="grid gap-3 sm:grid-cols-[2fr_1fr_1fr]">
          <Field label="Dataset" error={errors.huggingfaceDataset}>
            {(ids) => (
              <Input
                {...ids}
                value={form.dataset}
                placeholder="openai/gsm8k"
                spellCheck={false}
                onChange={(event) => change({ dataset: event.target.value })}
              />
            )}
          </Field>
          <Field label="Configuration" optional>
            {(ids) => (
              <Input
                {...ids}
                value={form.configName}
                placeholder="main"
                onChange={(event) => change({ configName: event.target.value })}
              />
            )}
          </Field>
          <Field label="Split" error={errors.huggingfaceConfig}>
            {(ids) => <Input {...ids} value={form.split} onChange={(event) => change({ split: event.target.value })} />}
          </Field>
        </div>
      )}
      {kind.place && (
        <Field label={kind.place.label} hint={kind.place.hint} error={errors.sourceUri}>
          {(ids) => (
            <Input
              {...ids}
              value={form.uri}
              placeholder={kind.place?.placeholder}
              spellCheck={false}
              onChange={(event) => change({ uri: event.target.value })}
            />
          )}
        </Field>
      )}
      {isDatabase(form.type) && (
        <>
          <Field label="Database" hint="Of options only sslmode is taken." error={errors.dbConnection}>
            {(ids) => (
              <Input
                {...ids}
                value={form.connection}
                placeholder={
                  form.type === "MYSQL" ? "mysql://db.example.com/app" : "postgres://db.example.com/app?sslmode=require"
                }
                spellCheck={false}
                autoComplete="off"
                onChange={(event) => change({ connection: event.target.value })}
              />
            )}
          </Field>
          <Field label="Query" hint="One SELECT, run in a read-only transaction." error={errors.dbQuery}>
            {(ids) => (
              <Textarea
                {...ids}
                className="font-mono text-xs"
                value={form.query}
                placeholder="SELECT question AS prompt, answer FROM tasks"
                spellCheck={false}
                onChange={(event) => change({ query: event.target.value })}
              />
            )}
          </Field>
        </>
      )}
    </>
  );
}
