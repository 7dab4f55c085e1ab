import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { lazy, Suspense, useDeferredValue, useState } from "react";
import { useQuery } from "urql";
import { Button, buttonClass } from "@/ui/Button";
import { ErrorNote, Note } from "@/ui/Empty";
import { Badge } from "@/ui/Status";
import { Ago } from "@/ui/Time";
import { ChosenRewardQuery, PickRewardsQuery } from "./documents";
import { Chosen, Picker } from "./Picker";
import { RewardTry } from "./RewardTry";
import { Section } from "./Section";

const NewReward = lazy(() => import("@/features/rewards").then(({ NewReward }) => ({ default: NewReward })));

interface RewardSectionProps {
  rewardId: string;
  datasetId: string;
  takesReward: boolean;
  error: string | undefined;
  onChange: (rewardId: string) => void;
}

/** What tells a good completion from a bad one. */
export function RewardSection({ rewardId, datasetId, takesReward, error, onChange }: RewardSectionProps) {
  const [writing, setWriting] = useState(false);
  return (
    <Section
      id="reward"
      number={2}
      title="Reward"
      hint="A Python function that scores what the model writes."
      state={error ? "wrong" : rewardId || !takesReward ? "done" : "open"}
      actions={
        takesReward && (
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
      {!takesReward ? (
        <Note>This method learns from its clips: there is no reward.</Note>
      ) : rewardId ? (
        <ChosenReward rewardId={rewardId} datasetId={datasetId} error={error} onChange={onChange} />
      ) : (
        <RewardPicker onPick={onChange} />
      )}
      {writing && (
        <Suspense>
          <NewReward
            onClose={() => setWriting(false)}
            onMade={(id) => {
              setWriting(false);
              onChange(id);
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
