import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import { useClient } from "urql";
import type { Json } from "@/lib/graphql";
import { handOver } from "@/lib/handover";
import { toast } from "@/ui/Toast";
import { type Completion, type Group, RowQuery, type Run } from "./documents";

// What the reward is given by itself, whatever the row holds.
const OWN = ["prompt", "completion", "messages"];

/** Take completions to the reward playground, with the function that scored them and the columns of their row. */
export function usePlay(run: Run | null) {
  const client = useClient();
  const navigate = useNavigate();
  return useCallback(
    async (group: Group, completions: readonly Completion[]) => {
      let columns: { [name: string]: Json } = {};
      if (run && group.datasetRow !== null) {
        const { data, error } = await client.query(RowQuery, { datasetId: run.dataset.id, row: group.datasetRow }).toPromise();
        const found = data?.dataset?.rows.nodes[0]?.data;
        if (typeof found === "object" && found !== null && !Array.isArray(found))
          columns = Object.fromEntries(Object.entries(found).filter(([name]) => !OWN.includes(name)));
        else if (error || !data?.dataset)
          toast("The row's columns could not be read: add what the reward needs.", { mood: "bad" });
      }
      const chat = Array.isArray(group.prompt);
      handOver(
        completions.map((one) => ({
          label: `step ${group.step}`,
          prompt: group.prompt,
          // As the reward saw it: a conversation is answered by a message.
          completion: chat ? [{ role: "assistant", content: one.text }] : one.text,
          columns,
        })),
      );
      const id = run?.rewardFunction?.id;
      if (run && !id) toast("The reward function was deleted: the samples come with a template instead.");
      void navigate({ to: "/rewards/playground", search: (id ? { id } : {}) as never });
    },
    [client, navigate, run],
  );
}
