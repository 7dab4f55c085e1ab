/** What a deployment's events say of its replicas. */
import type { DeploymentEvent } from "./queries";
import type { PhaseChange } from "./timeline";

const fields = ({ metadata }: Pick<DeploymentEvent, "metadata">): Record<string, unknown> =>
  metadata && typeof metadata === "object" && !Array.isArray(metadata) ? metadata : {};

/** The phases that replicas were told to be in, as far as events name both. */
export function changesIn(events: readonly Pick<DeploymentEvent, "at" | "type" | "metadata">[]): PhaseChange[] {
  return events.flatMap((event) => {
    const { replica_id: replica, phase: named } = fields(event);
    // Whoever takes one begins with its files.
    const phase = event.type === "replica_started" ? "pulling" : event.type === "replica_phase" ? named : undefined;
    return typeof replica === "string" && typeof phase === "string" ? [{ at: event.at, replica, phase }] : [];
  });
}
