/** What a deployment's events say of its replicas. */
import type { DeploymentEvent } from "./queries";
import type { PhaseChange } from "./timeline";

const fields = ({ metadata }: Pick<DeploymentEvent, "metadata">): Record<string, unknown> =>
  metadata && typeof metadata === "object" && !Array.isArray(metadata) ? metadata : {};

/** The phases that replicas were told to be in, as far as events name both. */
export function changesIn(events: readonly Pick<DeploymentEvent, "at" | "type" | "metadata">[]): PhaseChange[] {
  return events.flatMap((event) => {
    if (event.type !== "replica_phase") return [];
    const { replica_id: replica, phase } = fields(event);
    return typeof replica === "string" && typeof phase === "string" ? [{ at: event.at, replica, phase }] : [];
  });
}
