import { Link } from "@tanstack/react-router";
import { Columns2, Eraser, MessageSquare, Rocket, SlidersHorizontal } from "lucide-react";
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { list, text, useUrlState } from "@/lib/url";
import { Button, buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { cx } from "@/ui/cx";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Page, Panel } from "@/ui/Panel";
import { toast } from "@/ui/Toast";
import { Column } from "./Column";
import { Composer } from "./Composer";
import { Conversation } from "./conversation";
import { useJob, useModels } from "./models";
import { SettingsPanel } from "./SettingsPanel";
import { asked } from "./snippets";

const MOST = 4;
/** `settings`: whose are shown beside the columns; `*` is all models', empty none. */
const VIEW = { models: list(), job: text(), settings: text() };
const OF_ALL = "*";
const GRIDS = ["", "", "md:grid-cols-2", "md:grid-cols-2 xl:grid-cols-3", "md:grid-cols-2 xl:grid-cols-4"];

/** One conversation for the tab: it stays while other screens are looked at. */
let conversation: Conversation | undefined;

export default function ChatPage() {
  useTitle("Chat");
  const [view, setView] = useUrlState(VIEW);
  const { models, error, again } = useModels();
  const job = useJob(view.job);
  conversation ??= new Conversation();
  const talk = conversation;
  const streaming = useSyncExternalStore(talk.subscribe, talk.streaming);

  const serving = useMemo(() => models?.filter((one) => one.status === "SERVING") ?? [], [models]);
  const ofJob = view.job ? serving.find((one) => one.job?.id === view.job) : undefined;
  const first = ofJob ?? (view.job ? undefined : serving[0]);
  const names = view.models.length > 0 ? view.models.slice(0, MOST) : first ? [first.name] : [];
  const shown = [...new Set(names)];
  const set = useCallback((to: readonly string[]) => setView({ models: to }), [setView]);
  const free = serving.filter((one) => !shown.includes(one.name));
  const add = () => free[0] && set([...shown, free[0].name]);
  const clear = () => {
    talk.clear();
    toast("A new conversation.");
  };
  useShortcuts([
    { keys: "x", label: "New conversation", group: "Chat", run: clear },
    { keys: "a", label: "Add a model", group: "Chat", run: () => add() },
  ]);

  const alone = shown.length === 1 && shown[0] !== undefined && talk.hasOwn(shown[0]) ? shown[0] : "";
  const of = shown.includes(view.settings) ? view.settings : alone;
  const settings = useSyncExternalStore(talk.subscribe, () => talk.settings(of || undefined));
  const own = useSyncExternalStore(talk.subscribe, () => of !== "" && talk.hasOwn(of));
  const answering = shown.filter((name) => serving.some((one) => one.name === name));
  return (
    <Page
      full
      title="Chat"
      actions={
        <>
          <span className={shown[0] === undefined ? "invisible" : undefined}>
            <CopyAs
              title="Ask this from a program"
              snippets={() => asked(shown[0] ?? "", talk.messages(shown[0] ?? ""), talk.settings(shown[0]))}
            />
          </span>
          <Button size="sm" icon={<Eraser aria-hidden className="size-3.5" />} onClick={clear}>
            New
          </Button>
          <Button
            size="sm"
            icon={<Columns2 aria-hidden className="size-3.5" />}
            disabled={free.length === 0 || shown.length >= MOST}
            title={free.length === 0 ? "Nothing else serves" : undefined}
            onClick={add}
          >
            Add a model
          </Button>
          <Button
            size="sm"
            aria-expanded={view.settings !== ""}
            icon={<SlidersHorizontal aria-hidden className="size-3.5" />}
            onClick={() => setView({ settings: view.settings === "" ? OF_ALL : "" })}
          >
            Settings
          </Button>
        </>
      }
    >
      {error ? (
        <ErrorNote onRetry={again}>{sentence(error)}</ErrorNote>
      ) : !models ? (
        <Skeleton className="min-h-64 flex-1" />
      ) : shown.length === 0 ? (
        <Nothing job={job ?? null} starting={models.length > serving.length} wanted={view.job} />
      ) : (
        <div className="flex min-h-0 flex-1 gap-3 max-lg:flex-col-reverse">
          <div className="flex min-h-0 min-w-0 flex-1 flex-col gap-3">
            <div className={cx("grid min-h-0 flex-1 auto-rows-[minmax(16rem,1fr)] gap-3 overflow-y-auto", GRIDS[shown.length])}>
              {shown.map((name) => (
                <Column
                  key={name}
                  name={name}
                  models={models}
                  shown={shown}
                  talk={talk}
                  onModels={set}
                  onSettings={() => setView({ settings: view.settings === name ? "" : name })}
                  onEdit={(ordinal, question) => talk.edit(answering, ordinal, question)}
                  onAsk={(question) => talk.send(answering, question)}
                />
              ))}
            </div>
            <Composer
              busy={streaming > 0}
              disabled={answering.length === 0}
              onSend={(question) => talk.send(answering, question)}
              onStop={() => talk.stop()}
            />
          </div>
          {view.settings !== "" && (
            <SettingsPanel
              settings={settings}
              of={of}
              own={own}
              names={shown}
              onOf={(name) => setView({ settings: name || OF_ALL })}
              onChange={(to) => talk.set(to, of || undefined)}
              onDisown={() => talk.disown(of)}
            />
          )}
        </div>
      )}
    </Page>
  );
}

function Nothing({
  job,
  starting,
  wanted,
}: {
  job: { id: string; outputName: string } | null;
  starting: boolean;
  wanted: string;
}) {
  return (
    <Panel>
      <Empty
        icon={<MessageSquare aria-hidden />}
        title={job ? `Nothing serves ${job.outputName} yet` : "No model serves yet"}
        action={
          <>
            <Link
              to="/deployments"
              search={(wanted ? { model: wanted } : { new: true }) as never}
              className={buttonClass("solid")}
            >
              <Rocket aria-hidden className="size-3.5" />
              {job ? "Deploy it" : "Deploy a model"}
            </Link>
            {starting && (
              <Link to="/deployments" className={buttonClass("plain")}>
                See what is starting
              </Link>
            )}
          </>
        }
      >
        {starting
          ? "A deployment is on its way: this page has it the moment it serves."
          : "Deploy a trained model, or the base it came from, and talk to them side by side here."}
      </Empty>
    </Panel>
  );
}
