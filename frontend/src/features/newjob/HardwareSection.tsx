import { useId } from "react";
import { useQuery } from "urql";
import { usd } from "@/lib/format";
import { cx } from "@/ui/cx";
import { Note, Skeleton } from "@/ui/Empty";
import { Field, Input, Select } from "@/ui/Field";
import { type HardwareType, HardwareTypesQuery, type Plan } from "./documents";
import type { Draft } from "./draft";
import { Section } from "./Section";

interface HardwareSectionProps {
  number: number;
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  errors: Readonly<Record<string, string>>;
  offer: Plan["offer"] | undefined;
  state: "done" | "open" | "wrong";
}

/** What it runs on, and the most it may cost. */
export function HardwareSection({ number, draft, change, errors, offer, state }: HardwareSectionProps) {
  const [{ data }] = useQuery({ query: HardwareTypesQuery, requestPolicy: "cache-first" });
  const choices = data?.hardwareTypes;
  const providers = data?.rates.filter(({ gpuType }) => gpuType === draft.gpuType).map(({ provider }) => provider) ?? [];
  const chosen = choices?.find(({ type }) => type === draft.gpuType);
  const isOther = draft.gpuType !== "" && choices !== undefined && !choices.some(({ type }) => type === draft.gpuType);
  const runsOnCpu = offer?.hardware.type === "CPU" && draft.gpuType !== "CPU" && draft.gpuType !== "";
  return (
    <Section
      id="hardware"
      number={number}
      title="Hardware and cost"
      hint="What it runs on, and the most it may cost."
      state={state}
    >
      <fieldset className="flex flex-col gap-1">
        <legend className="mb-1 font-medium text-xs">Hardware</legend>
        <div className="grid grid-cols-[repeat(auto-fill,minmax(9rem,1fr))] gap-2">
          {choices
            ? choices.map((choice) => (
                <Choice
                  key={choice.type}
                  choice={choice}
                  checked={draft.gpuType === choice.type}
                  onChoose={() => change({ gpuType: choice.type, provider: "", ...(choice.type === "CPU" && { gpuCount: 1 }) })}
                />
              ))
            : Array.from({ length: 8 }, (_, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: places that are not filled yet are all alike
                <Skeleton key={index} className="h-16" />
              ))}
        </div>
        {isOther && <p className="text-ink-2 text-xs">Chosen: {draft.gpuType}</p>}
        {(errors["hardware.type"] ?? errors.hardware) && (
          <p role="alert" className="text-bad text-xs">
            {errors["hardware.type"] ?? errors.hardware}
          </p>
        )}
      </fieldset>
      {chosen && !chosen.available && (
        <Note mood="warn">{chosen.unavailableReason ?? "No running host has it: the job waits until one does."}</Note>
      )}
      {runsOnCpu && <Note mood="warn">There is no GPU here: it runs on the CPU, and is charged as such.</Note>}
      <div className="grid gap-4 sm:grid-cols-3">
        <Field label="How many" error={errors["hardware.count"]}>
          {(ids) => (
            <Input
              {...ids}
              type="number"
              min={1}
              value={draft.gpuCount}
              onChange={(event) => change({ gpuCount: Math.max(1, Math.round(Number(event.target.value) || 1)) })}
            />
          )}
        </Field>
        <Field label="Whose" error={errors["hardware.provider"]}>
          {(ids) => (
            <Select {...ids} value={draft.provider} onChange={(event) => change({ provider: event.target.value })}>
              <option value="">Any that has room</option>
              {[...new Set(["local", ...providers, ...(draft.provider ? [draft.provider] : [])])].map((name) => (
                <option key={name} value={name}>
                  {name === "local" ? "This installation's own" : name.replaceAll("_", " ")}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field
          label="Stop at a cost of"
          optional
          hint="Before it costs more, it saves a checkpoint and stops."
          error={errors.maxCostUsd}
        >
          {(ids) => (
            <span className="relative block">
              <span aria-hidden className="-translate-y-1/2 absolute top-1/2 left-2.5 text-ink-3 text-sm">
                $
              </span>
              <Input
                {...ids}
                inputMode="decimal"
                className="pl-6 tabular-nums"
                value={draft.maxCost}
                placeholder="no limit"
                onChange={(event) => change({ maxCost: event.target.value })}
              />
            </span>
          )}
        </Field>
      </div>
    </Section>
  );
}

function Choice({ choice, checked, onChoose }: { choice: HardwareType; checked: boolean; onChoose: () => void }) {
  const id = useId();
  const name = choice.type.replace(/-\d+GB$/, "");
  return (
    <label
      htmlFor={id}
      className={cx(
        "relative flex min-h-16 cursor-pointer flex-col justify-center rounded-md border px-3 py-1.5 has-focus-visible:outline-2 has-focus-visible:outline-accent",
        checked ? "border-accent bg-selected" : "border-line hover:border-line-strong",
      )}
    >
      <input
        id={id}
        type="radio"
        name="hardware"
        className="absolute top-2.5 right-2.5 accent-accent"
        checked={checked}
        onChange={onChoose}
      />
      <span className="font-medium text-sm">{name}</span>
      <span className="text-ink-3 text-xs tabular-nums">
        {choice.vramGb === null ? "no GPU" : `${choice.vramGb} GB`}
        {choice.pricePerHour !== null && ` · ${usd(choice.pricePerHour.amount)}/h`}
      </span>
    </label>
  );
}
