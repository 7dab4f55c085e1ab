"""Runs in the environment of a client of OpenAI's routes, which its argument names: reads calls from stdin, one JSON object a
line, and answers each with a line.

A call is `{"do": "stream", "base_url": …, "api_key": …, "model": …, "say": …, "given": {…}}`: each client is used as its own
documents show it. The answer is `{"value": …}`, or `{"error": {"type", "status", "message"}}` with the class that the client
raised, or its cause where it says no more than that.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

Given = dict[str, Any]
# Says that a call failed; its cause says why.
WRAPPER = "InstructorRetryException"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Sum(BaseModel):
    """A sum and its answer."""

    answer: int


class LangChain:
    """`langchain_openai.ChatOpenAI`."""

    def __init__(self) -> None:
        from langchain_openai import ChatOpenAI

        self.make = ChatOpenAI

    def client(self, call: Given) -> Any:
        given = {"max_retries": 0, "timeout": 10, **call["given"]}
        return self.make(base_url=call["base_url"], api_key=call["api_key"], model=call["model"], **given)

    def chat(self, call: Given) -> Any:
        return self._told(self.client(call).invoke(call["say"]))

    def stream(self, call: Given) -> Any:
        chunks = list(self.client({**call, "given": {"stream_usage": True, **call["given"]}}).stream(call["say"]))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        return {**self._told(whole), "parts": len([chunk for chunk in chunks if chunk.content])}

    def leave(self, call: Given) -> Any:
        stream = self.client(call).stream(call["say"])
        text = next(chunk.content for chunk in stream if chunk.content)
        stream.close()
        return text

    def tools(self, call: Given) -> Any:
        found = self.client(call).bind_tools([WEATHER]).invoke(call["say"])
        return [{"name": one["name"], "arguments": one["args"]} for one in found.tool_calls]

    def streamed_tools(self, call: Given) -> Any:
        chunks = list(self.client(call).bind_tools([WEATHER]).stream(call["say"]))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        return [{"name": one["name"], "arguments": one["args"]} for one in whole.tool_calls]

    def structured(self, call: Given) -> Any:
        methods = ("json_schema", "function_calling")
        return [self.client(call).with_structured_output(Sum, method=method).invoke(call["say"]).answer for method in methods]

    def logprobs(self, call: Given) -> Any:
        found = self.client(call).bind(logprobs=True, top_logprobs=1).invoke(call["say"])
        return [one["token"] for one in found.response_metadata["logprobs"]["content"]]

    @staticmethod
    def _told(found: Any) -> Given:
        usage = found.usage_metadata
        return {"text": found.content, "usage": [usage["input_tokens"], usage["output_tokens"]]}


class LiteLLM:
    """`litellm.completion` with the prefix `openai/`."""

    def __init__(self) -> None:
        import litellm

        self.completion = litellm.completion

    def ask(self, call: Given, **given: Any) -> Any:
        server = {"api_base": call["base_url"], "api_key": call["api_key"], "num_retries": 0, "max_retries": 0, "timeout": 10}
        messages = [{"role": "user", "content": call["say"]}]
        return self.completion(model=f"openai/{call['model']}", messages=messages, **{**server, **call["given"], **given})

    def chat(self, call: Given) -> Any:
        found = self.ask(call)
        return {"text": found.choices[0].message.content, "usage": [found.usage.prompt_tokens, found.usage.completion_tokens]}

    def stream(self, call: Given) -> Any:
        chunks = list(self.ask(call, stream=True, stream_options={"include_usage": True}))
        texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
        (usage,) = [chunk.usage for chunk in chunks if getattr(chunk, "usage", None)]
        return {"text": "".join(texts), "usage": [usage.prompt_tokens, usage.completion_tokens], "parts": len(texts)}

    def leave(self, call: Given) -> Any:
        stream = self.ask(call, stream=True)
        text = next(chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content)
        stream.close()
        return text

    def tools(self, call: Given) -> Any:
        found = self.ask(call, tools=[WEATHER]).choices[0].message.tool_calls
        return [{"name": one.function.name, "arguments": json.loads(one.function.arguments)} for one in found]

    def streamed_tools(self, call: Given) -> Any:
        deltas = [chunk.choices[0].delta.tool_calls for chunk in self.ask(call, stream=True, tools=[WEATHER])]
        parts = [one.function for calls in deltas for one in calls or ()]
        return [{"name": parts[0].name, "arguments": json.loads("".join(part.arguments for part in parts))}]

    def structured(self, call: Given) -> Any:
        return [Sum.model_validate_json(self.ask(call, response_format=Sum).choices[0].message.content).answer]

    def logprobs(self, call: Given) -> Any:
        return [one.token for one in self.ask(call, logprobs=True, top_logprobs=1).choices[0].logprobs.content]


class Instructor:
    """`instructor.from_openai`, which answers with models."""

    MODES = ("TOOLS", "JSON_SCHEMA", "JSON")

    def __init__(self) -> None:
        import instructor
        import openai

        self.instructor, self.openai = instructor, openai

    def client(self, call: Given, mode: str = "TOOLS") -> Any:
        inner = self.openai.OpenAI(base_url=call["base_url"], api_key=call["api_key"], max_retries=0, timeout=10)
        return self.instructor.from_openai(inner, mode=getattr(self.instructor.Mode, mode))

    def asked(self, call: Given) -> Given:
        messages = [{"role": "user", "content": call["say"]}]
        return {"model": call["model"], "messages": messages, "max_retries": 0, **call["given"]}

    def chat(self, call: Given) -> Any:
        found = self.client(call).chat.completions.create(response_model=None, **self.asked(call))
        return {"text": found.choices[0].message.content, "usage": [found.usage.prompt_tokens, found.usage.completion_tokens]}

    def structured(self, call: Given) -> Any:
        made = [self.client(call, mode).chat.completions.create(response_model=Sum, **self.asked(call)) for mode in self.MODES]
        return [one.answer for one in made]

    def stream(self, call: Given) -> Any:
        partial = self.client(call).chat.completions.create_partial(response_model=Sum, **self.asked(call))
        return {"answer": list(partial)[-1].answer}

    def leave(self, call: Given) -> Any:
        stream = self.client(call).chat.completions.create(response_model=None, stream=True, **self.asked(call))
        text = next(chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content)
        stream.close()
        return text

    def logprobs(self, call: Given) -> Any:
        wanted = {"logprobs": True, "top_logprobs": 1}
        found = self.client(call).chat.completions.create(response_model=None, **self.asked(call), **wanted)
        return [one.token for one in found.choices[0].logprobs.content]


CLIENTS: dict[str, Callable[[], Any]] = {"langchain-openai": LangChain, "litellm": LiteLLM, "instructor": Instructor}


def main() -> None:
    client = CLIENTS[sys.argv[1]]()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What the client prints is not an answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        print(json.dumps(answer(client, json.loads(line))), file=answers, flush=True)


def answer(client: Any, call: Given) -> Given:
    try:
        return {"value": getattr(client, call["do"])(call)}
    except Exception as error:
        chain: list[BaseException] = [error]
        while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
            chain.append(cause)
        unwrapped = [one for one in chain if type(one).__name__ != WRAPPER]
        told = next((one for one in unwrapped if hasattr(one, "status_code")), unwrapped[0])
        return {"error": {"type": type(told).__name__, "status": getattr(told, "status_code", None), "message": str(error)}}


if __name__ == "__main__":
    main()
