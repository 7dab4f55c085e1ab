import { useId } from "react";
import { useQuery } from "urql";
import { Input } from "@/ui/Field";
import { BaseModelsQuery } from "./documents";

interface BaseModelInputProps {
  value: string;
  onChange: (model: string) => void;
  id?: string;
  label?: string;
  "aria-describedby"?: string | undefined;
  "aria-invalid"?: true | undefined;
  className?: string;
}

export function useBaseModels(): readonly string[] | undefined {
  const [{ data }] = useQuery({ query: BaseModelsQuery, requestPolicy: "cache-first" });
  return data?.baseModels.map((model) => model.name);
}

/** A registered model, or any id of Hugging Face. */
export function BaseModelInput({ value, onChange, label, ...rest }: BaseModelInputProps) {
  const models = useBaseModels();
  const list = useId();
  return (
    <>
      <Input
        {...rest}
        {...(label ? { "aria-label": label } : {})}
        list={list}
        value={value}
        placeholder="Qwen/Qwen3-0.6B"
        spellCheck={false}
        autoCapitalize="off"
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={list}>
        {models?.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}
