/** The question as it would be asked now, from a program. */
import type { Json } from "@/lib/graphql";
import { curl, python, type Snippets, shell } from "@/lib/snippets";
import { body, type ChatMessage, PATH, type Settings } from "./complete";

const EXAMPLE: ChatMessage = { role: "user", content: "What is 3 + 4?" };

export function asked(model: string, conversation: readonly ChatMessage[], settings: Settings): Snippets {
  // Nobody answers an empty conversation.
  const messages = conversation.length > 0 ? conversation : [EXAMPLE];
  const request = body(model, messages, settings);
  const given = Object.entries(request).map(([name, value]) => `    ${name}=${python(value as unknown as Json, 4)},`);
  const question = messages.findLast((one) => one.role === "user")?.content ?? "";
  return {
    curl: curl("POST", PATH, request as unknown as Json),
    python: [
      "import os",
      "from openai import OpenAI",
      "",
      `client = OpenAI(base_url=${JSON.stringify(`${location.origin}/v1`)}, api_key=os.environ["BURNISH_API_KEY"])`,
      "stream = client.chat.completions.create(",
      ...given,
      "    stream=True,",
      ")",
      "for chunk in stream:",
      '    print(chunk.choices[0].delta.content or "", end="", flush=True)',
    ].join("\n"),
    cli: [
      `burnish chat -d ${shell(model)}`,
      settings.system && `--system ${shell(settings.system)}`,
      settings.temperature !== null && `--temperature ${settings.temperature}`,
      settings.maxTokens !== null && `--max-tokens ${settings.maxTokens}`,
      shell(question),
    ]
      .filter(Boolean)
      .join(" "),
  };
}
