import { ChevronRight, RotateCcw } from "lucide-react";
import { useId, useState } from "react";
import { Button, IconButton } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Input, Select } from "@/ui/Field";
import { SearchInput } from "@/ui/SearchInput";
import { withCode } from "@/ui/withCode";
import type { Hyperparameter } from "./documents";
import { type Group, grouped, isChanged, matches, problemOf, range, show } from "./params";

interface HyperparametersProps {
  specs: readonly Hyperparameter[];
  texts: Readonly<Record<string, string>>;
  /** The server's, by name. */
  errors: Readonly<Record<string, string>>;
  onChange: (texts: Record<string, string>) => void;
}

/** So many groups are open from the start: what is in the others is seldom touched. */
const OPEN = 2;

/** Every hyperparameter of the method, in groups. */
export function Hyperparameters({ specs, texts, errors, onChange }: HyperparametersProps) {
  const [search, setSearch] = useState("");
  const changed = specs.filter((one) => isChanged(one, texts[one.name]));
  const needsLook = (group: Group) => group.specs.some((one) => isChanged(one, texts[one.name]) || errors[one.name]);
  const set = (name: string, text: string) => {
    const { [name]: _, ...others } = texts;
    onChange(text === "" ? others : { ...others, [name]: text });
  };
  const row = (one: Hyperparameter) => (
    <HyperparameterRow
      key={one.name}
      spec={one}
      text={texts[one.name]}
      error={problemOf(one, texts[one.name]) ?? errors[one.name]}
      onChange={(text) => set(one.name, text)}
    />
  );
  const strange = Object.keys(texts).filter((name) => !specs.some((one) => one.name === name));
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <h3 className="font-medium text-xs">
          Hyperparameters
          <span className="ml-2 font-normal text-ink-3">
            {changed.length === 0 ? "all at their defaults" : `${changed.length} changed`}
          </span>
        </h3>
        <div className="flex items-center gap-1.5">
          {(changed.length > 0 || strange.length > 0) && (
            <Button size="sm" tone="ghost" icon={<RotateCcw aria-hidden className="size-3" />} onClick={() => onChange({})}>
              Reset all
            </Button>
          )}
          <SearchInput small label="Search the hyperparameters" placeholder="Find one" value={search} onChange={setSearch} />
        </div>
      </div>
      {strange.map((name) => (
        <p key={name} role="alert" className="flex items-center gap-2 text-bad text-xs">
          {name}: {errors[name] ?? "This method has no such hyperparameter."}
          <Button size="sm" tone="ghost" onClick={() => set(name, "")}>
            Remove
          </Button>
        </p>
      ))}
      <div className="divide-y divide-line rounded-md border border-line">
        {search.trim() ? (
          specs.some((one) => matches(one, search)) ? (
            specs.filter((one) => matches(one, search)).map(row)
          ) : (
            <p className="px-3 py-4 text-center text-ink-3 text-sm">Nothing is called that.</p>
          )
        ) : (
          grouped(specs).map((group, index) => (
            <details key={group.title} className="group" open={index < OPEN || needsLook(group) || undefined}>
              <summary className="flex min-h-9 cursor-pointer select-none items-center gap-1.5 px-3 py-1 text-sm hover:bg-hover">
                <ChevronRight aria-hidden className="size-3.5 shrink-0 text-ink-3 transition-transform group-open:rotate-90" />
                <span className="whitespace-nowrap font-medium">{group.title}</span>
                <span className="min-w-0 truncate font-mono text-2xs text-ink-3 group-open:invisible">
                  {group.specs.map(({ name }) => name).join(" ")}
                </span>
              </summary>
              <div className="divide-y divide-line border-line border-t">{group.specs.map(row)}</div>
            </details>
          ))
        )}
      </div>
    </div>
  );
}

interface RowProps {
  spec: Hyperparameter;
  text: string | undefined;
  error: string | undefined;
  onChange: (text: string) => void;
}

function HyperparameterRow({ spec, text, error, onChange }: RowProps) {
  const id = useId();
  const changed = isChanged(spec, text);
  const fallback = spec.default === null || spec.default === undefined ? "off" : show(spec.default);
  const ids = {
    id,
    "aria-describedby": `${id}-about${error ? ` ${id}-error` : ""}`,
    "aria-invalid": error ? (true as const) : undefined,
  };
  return (
    <div
      className={cx("grid items-start gap-x-4 gap-y-1 px-3 py-2 sm:grid-cols-[minmax(0,1fr)_11rem]", changed && "bg-selected")}
    >
      <div className="min-w-0">
        <label htmlFor={id} className="font-medium font-mono text-xs">
          {spec.name}
        </label>
        <p id={`${id}-about`} className="text-ink-2 text-xs">
          {withCode(spec.description)} <span className="text-ink-3 tabular-nums">{range(spec)}</span>
        </p>
      </div>
      <div className="flex flex-col gap-1">
        <div className="flex items-center gap-1">
          {spec.type === "boolean" ? (
            <Select {...ids} value={text ?? ""} onChange={(event) => onChange(event.target.value)}>
              <option value="">{fallback} (default)</option>
              <option value={fallback === "true" ? "false" : "true"}>{fallback === "true" ? "false" : "true"}</option>
            </Select>
          ) : (
            <Input
              {...ids}
              inputMode="decimal"
              className="tabular-nums"
              value={text ?? ""}
              placeholder={`${fallback} (default)`}
              onChange={(event) => onChange(event.target.value)}
            />
          )}
          <IconButton
            label={`Reset ${spec.name} to ${fallback}`}
            className={changed ? "" : "invisible"}
            onClick={() => onChange("")}
          >
            <RotateCcw aria-hidden className="size-3" />
          </IconButton>
        </div>
        {error && (
          <p id={`${id}-error`} role="alert" className="text-bad text-xs">
            {error}
          </p>
        )}
      </div>
    </div>
  );
}
