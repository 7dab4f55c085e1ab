import { useState } from "react";
import { LANGUAGES, NAMES } from "@/lib/snippets";
import { CodeBlock, Copyable } from "@/ui/Copy";
import { Note } from "@/ui/Empty";
import { Facts, Panel } from "@/ui/Panel";
import { Tabs } from "@/ui/Tabs";
import type { Deployment } from "./queries";
import { asking } from "./snippets";

/** How programs call it. */
export default function UsePanel({ deployment }: { deployment: Deployment }) {
  const [language, setLanguage] = useState<(typeof LANGUAGES)[number]>("python");
  const snippets = asking(deployment);
  return (
    <div className="flex flex-col gap-3">
      {deployment.status !== "SERVING" && <Note>It does not serve now: calls are answered with an error until it does.</Note>}
      <Panel title="Where it answers">
        <Facts
          items={[
            ["Base URL", <Copyable key="base" text={`${location.origin}/v1`} />],
            ["Model", <Copyable key="model" text={deployment.name} />],
            [
              "Its own URL",
              deployment.endpointUrl && <Copyable key="url" text={`${location.origin}${deployment.endpointUrl}`} />,
            ],
          ]}
        />
      </Panel>
      <Panel title="Ask it">
        <Tabs
          label="Language"
          tabs={LANGUAGES.map((id) => ({ id, label: id === "python" ? "Python (openai)" : NAMES[id] }))}
          value={language}
          onChange={setLanguage}
        >
          <CodeBlock code={snippets[language] ?? ""} label={NAMES[language]} />
        </Tabs>
        <p className="mt-2 text-ink-3 text-xs">
          The key is read from BURNISH_API_KEY. Any client of the OpenAI API works: give it the base URL, a key, and the model's
          name.
        </p>
      </Panel>
    </div>
  );
}
