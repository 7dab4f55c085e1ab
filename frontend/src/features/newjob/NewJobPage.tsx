import { Braces, RotateCcw } from "lucide-react";
import { useMemo, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { ErrorNote, Skeleton } from "@/ui/Empty";
import { Page } from "@/ui/Panel";
import { toast } from "@/ui/Toast";
import { AsText } from "./AsText";
import { DataSection } from "./DataSection";
import { ChosenDatasetQuery, MethodsQuery } from "./documents";
import { EMPTY, isName, suggestName, toBody, toInput } from "./draft";
import { HardwareSection } from "./HardwareSection";
import { MethodSection } from "./MethodSection";
import { ModelSection } from "./ModelSection";
import { OutputSection } from "./OutputSection";
import { PlanPanel } from "./PlanPanel";
import { isChanged, numberOf, problemOf } from "./params";
import { missing as missingOf, problemsOf, SECTION_IDS, type SectionId, sectionOf } from "./problems";
import { RewardSection } from "./RewardSection";
import { jobSnippets } from "./snippets";
import { specsOf, URL_STATE, useDraft } from "./useDraft";
import { usePlan } from "./usePlan";
import { useStart } from "./useStart";

export default function NewJobPage() {
  const [address, setUrl] = useUrlState(URL_STATE);
  const title = address.resume ? "Resume a job" : address.from ? "Clone a job" : "New job";
  useTitle(title);
  const [{ data, error }] = useQuery({ query: MethodsQuery, requestPolicy: "cache-first" });
  const methods = data?.methods;
  const { draft, change, replace, clear, failure, isLoading } = useDraft(address, setUrl, methods);
  const [{ data: chosen }] = useQuery({
    query: ChosenDatasetQuery,
    variables: { id: draft.datasetId },
    pause: !draft.datasetId,
    requestPolicy: "cache-first",
  });
  const dataset = draft.datasetId ? chosen?.dataset : undefined;

  const specs = specsOf(methods, draft.method);
  const takesReward = methods?.find(({ method }) => method.toLowerCase() === draft.method)?.takesReward ?? true;
  const suggested = suggestName(draft.baseModel, dataset?.name ?? "");
  const body = useMemo(() => toBody(draft, specs, suggested, takesReward), [draft, specs, suggested, takesReward]);
  const planned = usePlan(methods && !isLoading ? toInput(body) : null);
  const starting = useStart();
  const [asText, setAsText] = useState(false);

  const refused = starting.of === JSON.stringify(body) ? starting.errors : [];
  const problems = problemsOf(refused.length > 0 ? refused : planned.errors, draft);
  const missing = missingOf(draft, takesReward, suggested);
  const wrongHere = specs.filter((one) => problemOf(one, draft.params[one.name]));
  const badName = draft.outputName.trim() !== "" && !isName(draft.outputName.trim());
  const stateOf = (id: SectionId) => {
    if (Object.keys(problems.fields).some((field) => sectionOf(field) === id)) return "wrong";
    if (id === "model" && wrongHere.length > 0) return "wrong";
    return missing.some((step) => step.id === id) ? "open" : "done";
  };
  const shown = SECTION_IDS.filter((id) => takesReward || id !== "reward");
  const at = (id: SectionId) => shown.indexOf(id) + 1;
  const isRight = missing.length === 0 && Object.keys(problems.fields).length === 0 && wrongHere.length === 0 && !badName;
  const canStart = isRight && problems.money.length === 0 && problems.others.length === 0 && planned.isCurrent && !isLoading;
  const start = () => {
    if (canStart && !starting.busy) void starting.start(body);
    else if (!starting.busy) toast(missing[0]?.label ?? "There is something to correct first.");
  };
  useShortcuts([{ keys: "Mod+Enter", label: "Start training", run: start }]);
  const reset = () => {
    const was = draft;
    clear();
    toast("The form is empty again.", { action: { label: "Undo", run: () => replace(was) } });
  };

  return (
    <Page
      title={title}
      actions={
        <>
          <Button size="sm" tone="ghost" icon={<RotateCcw aria-hidden className="size-3.5" />} onClick={reset}>
            Start over
          </Button>
          <Button size="sm" tone="ghost" icon={<Braces aria-hidden className="size-3.5" />} onClick={() => setAsText(true)}>
            As text
          </Button>
        </>
      }
    >
      {error && <ErrorNote>{sentence(error)}</ErrorNote>}
      {failure && <ErrorNote>{failure} The form below is not filled from it.</ErrorNote>}
      {isLoading ? (
        <Skeleton className="h-96" />
      ) : (
        <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_20rem] xl:grid-cols-[minmax(0,1fr)_23rem]">
          <div className="flex min-w-0 flex-col gap-4">
            <MethodSection
              number={at("method")}
              method={draft.method}
              methods={methods}
              error={problems.fields.method}
              onChange={(method) => change({ method, params: {} })}
            />
            <DataSection
              number={at("data")}
              method={draft.method}
              takesReward={takesReward}
              datasetId={draft.datasetId}
              dataset={dataset}
              error={problems.fields.datasetId}
              baseModel={draft.baseModel.trim()}
              maxLength={numberOf(specs, draft.params, takesReward ? "max_prompt_length" : "max_length")}
              onChange={(datasetId) => change({ datasetId })}
            />
            {takesReward && (
              <RewardSection
                number={at("reward")}
                draft={draft}
                datasetId={dataset?.rowCount == null ? "" : draft.datasetId}
                errors={problems.fields}
                state={stateOf("reward")}
                change={change}
              />
            )}
            <ModelSection
              number={at("model")}
              draft={draft}
              change={change}
              specs={specs}
              errors={problems.fields}
              state={stateOf("model")}
            />
            <HardwareSection
              number={at("hardware")}
              draft={draft}
              change={change}
              errors={problems.fields}
              offer={planned.plan?.offer}
              state={stateOf("hardware")}
            />
            <OutputSection
              number={at("output")}
              draft={draft}
              hasAdapter={numberOf(specs, draft.params, "lora_rank") !== null}
              change={change}
              suggested={suggested}
              errors={problems.fields}
              state={badName ? "wrong" : stateOf("output")}
            />
          </div>
          <PlanPanel
            draft={draft}
            planned={planned}
            problems={problems}
            missing={missing}
            changed={specs
              .filter((one) => isChanged(one, draft.params[one.name]))
              .map(({ name }) => [name, draft.params[name] ?? ""])}
            canStart={canStart}
            busy={starting.busy}
            failure={starting.of === JSON.stringify(body) ? starting.failure : null}
            actions={<CopyAs title="This job" snippets={() => jobSnippets(body)} />}
            onStart={start}
          />
        </div>
      )}
      {asText && (
        <AsText
          body={body}
          specsOf={(method) => specsOf(methods, method || EMPTY.method)}
          onApply={replace}
          onClose={() => setAsText(false)}
        />
      )}
    </Page>
  );
}
