import { Link, useNavigate } from "@tanstack/react-router";
import {
  CirclePause,
  CirclePlay,
  Ellipsis,
  MessageSquare,
  RefreshCw,
  Rocket,
  Scaling,
  Square,
  SquareTerminal,
  Trash2,
} from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { usd } from "@/lib/format";
import { useShortcuts } from "@/lib/shortcuts";
import type { Snippets } from "@/lib/snippets";
import { type Refusal, told } from "@/lib/useAction";
import { Button, buttonClass, IconButton } from "@/ui/Button";
import { Confirm } from "@/ui/Dialog";
import { Menu, type MenuItem } from "@/ui/Menu";
import { toast } from "@/ui/Toast";
import { useDeploymentActions } from "./actions";
import type { Deployment } from "./queries";
import * as snippets from "./snippets";

const CopyAsDialog = lazy(() => import("@/ui/CopyAsDialog"));
const ScaleDialog = lazy(() => import("./ScaleDialog"));
const UpdateDialog = lazy(() => import("./UpdateDialog"));
const ICON = "size-3.5";

interface Props {
  deployment: Deployment;
  onChange: (to: Partial<Deployment>) => void;
  onDone: () => void;
}

/** What the key in use may do with it as it stands, and each of it from a program. */
export function DeploymentActions({ deployment, onChange, onDone }: Props) {
  const navigate = useNavigate();
  const act = useDeploymentActions(deployment.id);
  const [open, setOpen] = useState<"scale" | "update" | "pause" | "stop" | "delete" | null>(null);
  const [shown, setShown] = useState<{ title: string; snippets: Snippets } | null>(null);
  const can = (action: string) => deployment.viewerCan.includes(action);
  const close = () => setOpen(null);

  /** Shown as done at once; as it was again where it was refused. */
  const attempt = async (run: () => Promise<Refusal | undefined>, to: Partial<Deployment>, done: string) => {
    const { status, pausedAt, viewerCan } = deployment;
    onChange({ ...to, viewerCan: [] });
    const refused = await run();
    if (refused) {
      onChange({ status, pausedAt, viewerCan });
      toast(told(refused), { mood: "bad" });
    } else {
      toast(done);
      onDone();
    }
  };
  const stop = () => attempt(act.stop, { status: "STOPPED" }, `${deployment.name} has stopped.`);
  const pause = () => attempt(act.pause, { pausedAt: new Date().toISOString() }, `${deployment.name} is paused.`);
  const resume = () => attempt(act.resume, { pausedAt: null }, `${deployment.name} starts again.`);
  const remove = async () => {
    const refused = await act.remove();
    if (refused) return void toast(told(refused), { mood: "bad" });
    toast(`${deployment.name} was deleted.`);
    void navigate({ to: "/deployments" });
  };
  useShortcuts([
    ...(can("scale") ? [{ keys: "s", label: "Scale", group: "Deployment", run: () => setOpen("scale") }] : []),
    ...(can("update") ? [{ keys: "u", label: "Update the model", group: "Deployment", run: () => setOpen("update") }] : []),
  ]);
  const copies: MenuItem[] = snippets
    .offered(deployment)
    .map(([label, make]) => ({ label, onSelect: () => setShown({ title: label, snippets: make() }) }));
  const more: (MenuItem | false)[] = [
    can("pause") && { label: "Pause", icon: <CirclePause aria-hidden className={ICON} />, onSelect: () => setOpen("pause") },
    {
      label: "Deploy again",
      icon: <Rocket aria-hidden className={ICON} />,
      onSelect: () => void navigate({ to: "/deployments", search: { model: deployment.model } as never }),
    },
    can("stop") && {
      label: "Stop",
      icon: <Square aria-hidden className={ICON} />,
      danger: true,
      onSelect: () => setOpen("stop"),
    },
    {
      label: "Delete",
      icon: <Trash2 aria-hidden className={ICON} />,
      danger: true,
      disabled: !can("delete"),
      onSelect: () => setOpen("delete"),
    },
  ];
  return (
    <>
      <Menu
        trigger={
          <Button size="sm" tone="ghost" icon={<SquareTerminal aria-hidden className={ICON} />}>
            Copy as
          </Button>
        }
        items={copies}
      />
      {can("chat") && (
        <Link to="/chat" search={{ models: deployment.name } as never} className={buttonClass("plain")}>
          <MessageSquare aria-hidden className={ICON} />
          Chat
        </Link>
      )}
      {can("scale") && (
        <Button icon={<Scaling aria-hidden className={ICON} />} onClick={() => setOpen("scale")}>
          Scale
        </Button>
      )}
      {can("update") && (
        <Button icon={<RefreshCw aria-hidden className={ICON} />} onClick={() => setOpen("update")}>
          Update
        </Button>
      )}
      {can("resume") && (
        <Button tone="solid" icon={<CirclePlay aria-hidden className={ICON} />} onClick={() => void resume()}>
          Resume
        </Button>
      )}
      <Menu
        trigger={
          <IconButton label="More" tone="plain" size="md">
            <Ellipsis aria-hidden className="size-4" />
          </IconButton>
        }
        items={more.filter((item) => item !== false)}
      />
      <Suspense>
        {shown && <CopyAsDialog title={shown.title} snippets={shown.snippets} onClose={() => setShown(null)} />}
        {open === "scale" && <ScaleDialog deployment={deployment} onClose={close} onDone={onDone} />}
        {open === "update" && <UpdateDialog deployment={deployment} onClose={close} onDone={onDone} />}
      </Suspense>
      <Confirm
        open={open === "pause"}
        onOpenChange={close}
        title={`Pause ${deployment.name}?`}
        action="Pause it"
        onConfirm={pause}
      >
        Its replicas end what they have begun and stop; then it costs nothing, and calls are refused until it is resumed. Its
        settings, versions and log stay.
      </Confirm>
      <Confirm open={open === "stop"} onOpenChange={close} title={`Stop ${deployment.name}?`} action="Stop it" onConfirm={stop}>
        It answers no more calls from this moment on, answers under way are cut off, and nothing more is charged. So far it has
        cost {usd(deployment.totalCost.amount)}. Its log and its figures stay; it cannot be started again, only deployed anew.
        {can("pause") && " To go on later, pause it instead."}
      </Confirm>
      <Confirm
        open={open === "delete"}
        onOpenChange={close}
        title={`Delete ${deployment.name}?`}
        action="Delete it"
        onConfirm={remove}
      >
        Its log, its figures and the list of its requests are gone for good. The model that it served stays, and so does what it
        has cost.
      </Confirm>
    </>
  );
}
