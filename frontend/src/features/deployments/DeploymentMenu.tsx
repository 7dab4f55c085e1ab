import { useNavigate } from "@tanstack/react-router";
import { Ellipsis, Rocket, Square, Trash2 } from "lucide-react";
import { useState } from "react";
import { usd } from "@/lib/format";
import { Button, IconButton } from "@/ui/Button";
import { Confirm } from "@/ui/Dialog";
import { Menu } from "@/ui/Menu";
import { toast } from "@/ui/Toast";
import { useActions } from "./actions";
import type { Deployment } from "./queries";

/** Stop, deploy again, delete: what the key in use may do with it as it stands. */
export function DeploymentMenu({
  deployment,
  onChange,
}: {
  deployment: Deployment;
  onChange: (to: Partial<Deployment>) => void;
}) {
  const navigate = useNavigate();
  const { stop, remove } = useActions();
  const [asking, setAsking] = useState<"stop" | "delete" | null>(null);
  const can = (action: string) => deployment.viewerCan.includes(action);

  const stopIt = async () => {
    const was = { status: deployment.status, viewerCan: deployment.viewerCan };
    // The server stops it and its billing at once, so that it may be shown at once.
    onChange({ status: "STOPPED", viewerCan: [] });
    if (await stop(deployment.id)) {
      onChange({ status: "STOPPED", viewerCan: ["delete"] });
      toast(`${deployment.name} has stopped.`);
    } else onChange(was);
  };
  const removeIt = async () => {
    if (!(await remove(deployment.id))) return;
    toast(`${deployment.name} was deleted.`);
    void navigate({ to: "/deployments" });
  };
  return (
    <>
      {can("stop") && (
        <Button tone="danger" icon={<Square aria-hidden className="size-3.5" />} onClick={() => setAsking("stop")}>
          Stop
        </Button>
      )}
      <Menu
        trigger={
          <IconButton label="More" tone="plain" size="md">
            <Ellipsis aria-hidden className="size-4" />
          </IconButton>
        }
        items={[
          {
            label: "Deploy again",
            icon: <Rocket aria-hidden className="size-3.5" />,
            onSelect: () => void navigate({ to: "/deployments", search: { model: deployment.model } as never }),
          },
          {
            label: "Delete",
            icon: <Trash2 aria-hidden className="size-3.5" />,
            danger: true,
            disabled: !can("delete"),
            onSelect: () => setAsking("delete"),
          },
        ]}
      />
      <Confirm
        open={asking === "stop"}
        onOpenChange={(open) => !open && setAsking(null)}
        title={`Stop ${deployment.name}?`}
        action="Stop it"
        onConfirm={stopIt}
      >
        It answers no more calls from this moment on, and nothing more is charged. So far it has cost{" "}
        {usd(deployment.totalCost.amount)}. Its log and its figures stay; it cannot be started again, only deployed anew.
      </Confirm>
      <Confirm
        open={asking === "delete"}
        onOpenChange={(open) => !open && setAsking(null)}
        title={`Delete ${deployment.name}?`}
        action="Delete it"
        onConfirm={removeIt}
      >
        Its log, its figures and the list of its requests are gone for good. The model that it served stays, and so does what it
        has cost.
      </Confirm>
    </>
  );
}
