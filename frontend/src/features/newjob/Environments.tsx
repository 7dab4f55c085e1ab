import { Link } from "@tanstack/react-router";
import { Plus, X } from "lucide-react";
import { useQuery } from "urql";
import { graphql } from "@/lib/graphql";
import { Button, IconButton } from "@/ui/Button";
import { ErrorNote, Note } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import type { Environment } from "./draft";

const IntegrationQuery = graphql(`
  query OpenRewardIntegration {
    integrations {
      provider
      configured
    }
  }
`);

interface EnvironmentsProps {
  environments: readonly Environment[];
  error: string | undefined;
  onChange: (environments: Environment[]) => void;
}

const BLANK: Environment = { id: "", splits: "", variant: "" };

/** Environments of OpenReward that the model acts in: what they give for its calls is its reward. */
export function Environments({ environments, error, onChange }: EnvironmentsProps) {
  const [{ data }] = useQuery({ query: IntegrationQuery });
  const configured = data?.integrations.find(({ provider }) => provider === "OPENREWARD")?.configured;
  // There is always one to fill in.
  const rows = environments.length > 0 ? environments : [BLANK];
  const set = (index: number, part: Partial<Environment>) =>
    onChange(rows.map((one, at) => (at === index ? { ...one, ...part } : one)));
  return (
    <div className="flex flex-col gap-3">
      <p className="text-ink-2 text-sm">
        The model acts in an environment of OpenReward by calling its tools, turn by turn. Its reward is the sum of what the
        environment gives until it says that the task is done; whoever calls no tool gets 0.
      </p>
      {configured === false && (
        <Note mood="warn">
          Environments need your key for OpenReward:{" "}
          <Link to="/settings" search={{ tab: "integrations" }} className="underline">
            set it under Integrations
          </Link>
          .
        </Note>
      )}
      <ul className="flex flex-col gap-3">
        {rows.map((one, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: an environment that is being typed has nothing else to be known by
          <li key={index} className="grid items-start gap-2 sm:grid-cols-[minmax(0,1fr)_minmax(0,9rem)_minmax(0,9rem)_auto]">
            <Field label={rows.length > 1 ? `Environment ${index + 1}` : "Environment"} hint={index === 0 && "As owner/name."}>
              {(ids) => (
                <Input
                  {...ids}
                  value={one.id}
                  placeholder="owner/name"
                  spellCheck={false}
                  onChange={(event) => set(index, { id: event.target.value })}
                />
              )}
            </Field>
            <Field
              label={rows.length > 1 ? `Splits of ${index + 1}` : "Splits"}
              hint={index === 0 && "With commas between them."}
            >
              {(ids) => (
                <Input
                  {...ids}
                  value={one.splits}
                  placeholder="train (default)"
                  spellCheck={false}
                  onChange={(event) => set(index, { splits: event.target.value })}
                />
              )}
            </Field>
            <Field
              label={rows.length > 1 ? `Variant of ${index + 1}` : "Variant"}
              hint={index === 0 && "Where a server has several."}
            >
              {(ids) => (
                <Input
                  {...ids}
                  value={one.variant}
                  placeholder="the server's own"
                  spellCheck={false}
                  onChange={(event) => set(index, { variant: event.target.value })}
                />
              )}
            </Field>
            <IconButton
              label={`Remove environment ${index + 1}`}
              className={rows.length > 1 ? "sm:mt-5.5" : "invisible max-sm:hidden sm:mt-5.5"}
              onClick={() => onChange(rows.filter((_, at) => at !== index))}
            >
              <X aria-hidden className="size-3.5" />
            </IconButton>
          </li>
        ))}
      </ul>
      <Button
        size="sm"
        className="self-start"
        icon={<Plus aria-hidden className="size-3.5" />}
        onClick={() => onChange([...rows, BLANK])}
      >
        Another environment
      </Button>
      {error && <ErrorNote>{error}</ErrorNote>}
    </div>
  );
}
