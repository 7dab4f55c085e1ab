import { ListFilter, X } from "lucide-react";
import { type Ref, useState } from "react";
import { useQuery } from "urql";
import { methodName, words } from "@/lib/format";
import { METHODS } from "@/lib/methods";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Field, Input, Select } from "@/ui/Field";
import { SearchInput } from "@/ui/SearchInput";
import { type FilterView, finerCount, NO_FILTER, STATUSES, statusesOf, toggled } from "./filters";
import { ChoicesQuery } from "./queries";

interface Props {
  view: FilterView;
  onChange: (change: Partial<FilterView>) => void;
  searchRef: Ref<HTMLInputElement>;
}

export function Filters({ view, onChange, searchRef }: Props) {
  const finer = finerCount(view);
  const [open, setOpen] = useState(finer > 0);
  const any = finer > 0 || view.q !== "" || view.status.length > 0;
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput
          label="Search by name or id"
          placeholder="Name or id"
          className="w-64 max-sm:w-full"
          keys="/"
          value={view.q}
          onChange={(q) => onChange({ q })}
          ref={searchRef}
        />
        <Chips view={view} onChange={onChange} />
        <Button
          size="sm"
          aria-expanded={open}
          icon={<ListFilter aria-hidden className="size-3.5" />}
          onClick={() => setOpen(!open)}
          className={finer ? "border-accent" : ""}
        >
          Filters{finer > 0 && ` · ${finer}`}
        </Button>
        {any && (
          <Button size="sm" tone="ghost" icon={<X aria-hidden className="size-3.5" />} onClick={() => onChange(NO_FILTER)}>
            Clear
          </Button>
        )}
      </div>
      {open && <Finer view={view} onChange={onChange} />}
    </div>
  );
}

function Chips({ view, onChange }: Pick<Props, "view" | "onChange">) {
  const on = statusesOf(view);
  return (
    <fieldset className="flex flex-wrap gap-1">
      <legend className="sr-only">Status</legend>
      {STATUSES.map((status) => (
        <button
          key={status}
          type="button"
          aria-pressed={on.includes(status)}
          onClick={() => onChange({ status: toggled(view.status, status) })}
          className={cx(
            "h-7 rounded-full border px-2.5 font-medium text-xs transition-colors",
            on.includes(status)
              ? "border-accent bg-accent-soft text-accent"
              : "border-line bg-surface text-ink-2 hover:bg-hover hover:text-ink",
          )}
        >
          {words(status)}
        </button>
      ))}
    </fieldset>
  );
}

/** An option for what is set but no longer offered, so that the select does not lie. */
const missing = (value: string, offered: readonly string[]) => value !== "" && !offered.includes(value);

function Finer({ view, onChange }: Pick<Props, "view" | "onChange">) {
  const [{ data }] = useQuery({ query: ChoicesQuery });
  const named = (nodes: readonly { id: string; name: string }[] | undefined): [string, string][] =>
    (nodes ?? []).map((one) => [one.id, `${one.name} · ${one.id.slice(-6)}`]);
  const selects: [keyof FilterView & ("method" | "model" | "dataset" | "reward"), string, [string, string][]][] = [
    ["method", "Method", METHODS.map((one) => [one.toLowerCase(), methodName(one)])],
    ["model", "Base model", (data?.baseModels ?? []).map((one) => [one.name, one.name])],
    ["dataset", "Dataset", named(data?.datasets.nodes)],
    ["reward", "Reward function", named(data?.rewardFunctions.nodes)],
  ];
  return (
    <div className="grid grid-cols-2 gap-2 rounded-lg border border-line bg-surface p-3 sm:grid-cols-3 lg:grid-cols-6">
      {selects.map(([name, label, choices]) => (
        <Field key={name} label={label}>
          {(ids) => (
            <Select {...ids} value={view[name]} onChange={(event) => onChange({ [name]: event.target.value })}>
              <option value="">Any</option>
              {missing(
                view[name],
                choices.map(([value]) => value),
              ) && <option value={view[name]}>{view[name]}</option>}
              {choices.map(([value, shown]) => (
                <option key={value} value={value}>
                  {shown}
                </option>
              ))}
            </Select>
          )}
        </Field>
      ))}
      <Field label="Created from">
        {(ids) => (
          <Input
            {...ids}
            type="date"
            value={view.from}
            max={view.to || undefined}
            onChange={(event) => onChange({ from: event.target.value })}
          />
        )}
      </Field>
      <Field label="Created to">
        {(ids) => (
          <Input
            {...ids}
            type="date"
            value={view.to}
            min={view.from || undefined}
            onChange={(event) => onChange({ to: event.target.value })}
          />
        )}
      </Field>
    </div>
  );
}
