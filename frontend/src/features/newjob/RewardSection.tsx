import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { lazy, Suspense, useDeferredValue, useState } from "react";
import { useQuery } from "urql";
import { Button, buttonClass } from "@/ui/Button";
import { ErrorNote, Note } from "@/ui/Empty";
import { Badge } from "@/ui/Status";
import { Ago } from "@/ui/Time";
import { ChosenRewardQuery, PickRewardsQuery } from "./documents";
import type { Draft } from "./draft";
import { Environments } from "./Environments";
import { Chosen, Picker } from "./Picker";
import { RewardTry } from "./RewardTry";
import { Section } from "./Section";

const NewReward = lazy(() => import("@/features/rewards").then(({ NewReward }) => ({ default: NewReward })));

interface RewardSectionProps {
  number: number;
  draft: Draft;
  datasetId: string;
  errors: Readonly<Record<string, string>>;
  state: "done" | "open" | "wrong";
  change: (part: Partial<Draft>) => void;
}

const SOURCES = { function: "A reward function", environments: "Environments" } as const;

/** What tells a good completion from a bad one: a function, or the environments that the model acts in. */
export function RewardSection({ number, draft, datasetId, errors, state, change }: RewardSectionProps) {
  const [writing, setWriting] = useState(false);
  const { rewardId, rewardFrom } = draft;
  return (
    <Section
      id="reward"
      number={number}
      title="Reward"
      hint="What scores what the model does: a Python function, or environments."
      state={state}
      actions={
        rewardFrom === "function" && (
          <>
            <Link to="/rewards/playground" className={buttonClass("plain", "sm")}>
              Playground
            </Link>
            <Button size="sm" icon={<Plus aria-hidden className="size-3.5" />} onClick={() => setWriting(true)}>
              New
            </Button>
          </>
        )
      }
    >
      <fieldset className="flex flex-wrap gap-x-5 gap-y-1.5 text-sm">
        <legend className="sr-only">Where the reward comes from</legend>
        {(["function", "environments"] as const).map((from) => (
          <label key={from} className="flex cursor-pointer items-center gap-2">
            <input
              type="radio"
              name="reward-from"
              className="accent-accent"
              checked={rewardFrom === from}
              onChange={() => change({ rewardFrom: from })}
            />
            {SOURCES[from]}
          </label>
        ))}
      </fieldset>
      {rewardFrom === "environments" ? (
        <Environments
          environments={draft.environments}
          error={errors.environments}
          onChange={(environments) => change({ environments })}
        />
      ) : rewardId ? (
        <ChosenReward
          rewardId={rewardId}
          datasetId={datasetId}
          error={errors.rewardFunctionId}
          onChange={(id) => change({ rewardId: id })}
        />
      ) : (
        <RewardPicker onPick={(id) => change({ rewardId: id })} />
      )}
      {writing && (
        <Suspense>
          <NewReward
            onClose={() => setWriting(false)}
            onMade={(id) => {
              setWriting(false);
              change({ rewardId: id });
            }}
          />
        </Suspense>
      )}
    </Section>
  );
}

function RewardPicker({ onPick }: { onPick: (id: string) => void }) {
  const [search, setSearch] = useState("");
  const [{ data }] = useQuery({
    query: PickRewardsQuery,
    variables: { search: useDeferredValue(search.trim()) || null },
    context: REWARDS,
  });
  return (
    <Picker
      label="Reward functions"
      search={search}
      onSearch={setSearch}
      onPick={onPick}
      options={data?.rewardFunctions.nodes.map((one) => ({
        id: one.id,
        name: one.name,
        facts: (
          <>
            {one.trial?.components.map(({ name }) => name).join(", ") || one.format} · <Ago at={one.createdAt} />
          </>
        ),
      }))}
      empty={search ? "No reward function is called that." : "No reward functions yet: write one, from a starter or your own."}
    />
  );
}

const REWARDS = { additionalTypenames: ["RewardFunction"] };

function ChosenReward({
  rewardId,
  datasetId,
  error,
  onChange,
}: {
  rewardId: string;
  datasetId: string;
  error: string | undefined;
  onChange: (id: string) => void;
}) {
  const [{ data }] = useQuery({ query: ChosenRewardQuery, variables: { id: rewardId } });
  const reward = data?.rewardFunction;
  const weights = new Map(reward?.weights.map(({ name, weight }) => [name, weight]));
  const components = reward?.trial?.components.map(({ name }) => name) ?? [];
  return (
    <>
      <Chosen
        actions={
          <Button size="sm" onClick={() => onChange("")}>
            Change
          </Button>
        }
      >
        <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <Link to="/rewards/$id" params={{ id: rewardId }} className="font-medium hover:underline">
            {reward?.name ?? rewardId}
          </Link>
          {reward && <Badge>{reward.format}</Badge>}
          {components.map((name) => (
            <span key={name} className="text-ink-3 text-xs">
              {name} × {weights.get(name) ?? 1}
            </span>
          ))}
        </span>
      </Chosen>
      {error && <ErrorNote>{error}</ErrorNote>}
      {reward?.trial?.warnings.map(({ line, message }) => (
        <Note key={`${line}:${message}`} mood="warn">
          {line !== null && `line ${line}: `}
          {message}
        </Note>
      ))}
      <RewardTry rewardId={rewardId} datasetId={datasetId} />
    </>
  );
}
