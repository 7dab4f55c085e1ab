import { useNavigate } from "@tanstack/react-router";
import { useQuery } from "urql";
import { Select } from "@/ui/Field";
import { RewardsQuery } from "../documents";
import { TEMPLATES } from "./templates";

/** What to begin with: a template, or a function that is stored. */
export function TemplatePicker({ current }: { current: string }) {
  const navigate = useNavigate();
  const [{ data }] = useQuery({ query: RewardsQuery, variables: { first: 50, after: null, search: null } });
  const stored = data?.rewardFunctions.nodes ?? [];
  const choose = (value: string) =>
    void navigate({
      to: "/rewards/playground",
      search: (value.startsWith("rf_") ? { id: value } : { template: value }) as never,
    });
  return (
    <Select
      aria-label="Begin with"
      className="h-7! max-w-56 text-xs"
      value={current}
      onChange={(event) => choose(event.target.value)}
    >
      <optgroup label="Templates">
        {TEMPLATES.map((one) => (
          <option key={one.id} value={one.id} title={one.about}>
            {one.name}
          </option>
        ))}
      </optgroup>
      {(stored.length > 0 || current.startsWith("rf_")) && (
        <optgroup label="Stored">
          {current.startsWith("rf_") && !stored.some((one) => one.id === current) && <option value={current}>{current}</option>}
          {stored.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name} ({one.id.slice(-5)})
            </option>
          ))}
        </optgroup>
      )}
    </Select>
  );
}
