/** What tells the ways to train apart on the screens. What each takes, and whether it can be used, the server says. */

export const METHODS = ["GRPO", "SFT", "DPO", "SFT_VIDEO_GEN"] as const;
export type MethodName = (typeof METHODS)[number];

interface Lead {
  key: string;
  label: string;
  /** Whether more of it is better. */
  rises: boolean;
}

interface Traits {
  /** The metric that says best how a run does. */
  lead: Lead;
  /** What a run shows of what its model makes: rollouts of text, clips, or nothing. */
  makes: "text" | "clips" | null;
  /** What the held-out rows are scored by. */
  heldOut: string | null;
}

const LOSS: Lead = { key: "loss", label: "Loss", rises: false };
const TRAITS: Record<MethodName, Traits> = {
  GRPO: { lead: { key: "reward", label: "Reward", rises: true }, makes: "text", heldOut: "eval_reward" },
  SFT: { lead: LOSS, makes: null, heldOut: "eval_loss" },
  DPO: { lead: { key: "rewards/margins", label: "Margin", rises: true }, makes: null, heldOut: "eval_loss" },
  SFT_VIDEO_GEN: { lead: LOSS, makes: "clips", heldOut: null },
};

export const isMethod = (word: string): word is MethodName => (METHODS as readonly string[]).includes(word);

/** Of a method that this page does not know, as of GRPO. */
export function traitsOf(method: string): Traits {
  const name = method.toUpperCase();
  return TRAITS[isMethod(name) ? name : "GRPO"];
}
