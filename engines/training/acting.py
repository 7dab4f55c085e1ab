"""GRPO in environments: rollouts of many turns, whose tools are called where the model calls them.

TRL's environment hook gives each rollout its environment, and its trainer knows of tools. The loop between the two is our own:
the sessions of a step are opened, called and deleted at once, each prompt shows the tools of its own task with their own JSON
Schema, a rollout ends with its episode, and what the environment broke is left out of the training with the reason.

What the environment said are tokens that the model reads and is not trained on. They count as part of `max_response_length`.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl import GRPOTrainer
from trl.chat_template_utils import (
    add_response_schema,
    get_training_chat_template,
    is_chat_template_prefix_preserving,
    parse_response,
    supports_tool_calling,
)

from engines.protocol import ChildFailure
from engines.rewards.episode import Episode, Reply
from engines.training.entering import NOTHING, Actors, Rollout
from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.prompts import Fitted, Messages, Row
from engines.training.rollouts import Sampled
from engines.training.trainer import RolloutTrainer


class Environment:
    """What TRL sees of an environment: that there is one, with a tool. Sessions and tools are `ActingTrainer`'s."""

    def reset(self, **row: Any) -> None:
        """Do nothing: the session is open, and its prompt is in the row."""

    def act(self, name: str) -> str:
        """Stand for the tools of each rollout's own task.

        Args:
            name: Of the tool.
        """
        raise NotImplementedError(name)


def fitted(rows: list[Row], tokenizer: PreTrainedTokenizerBase, limit: int) -> Fitted:
    """Return the rows as they are: how long a prompt is, is known when its session is open.

    ChildFailure where the model could call no tool.
    """
    if not supports_tool_calling(tokenizer):
        message = "The base model's chat template cannot call tools, and an environment is nothing but tools."
        raise ChildFailure("config_error", message)
    try:
        if getattr(tokenizer, "response_template", None) is None and getattr(tokenizer, "response_schema", None) is None:
            add_response_schema(tokenizer)
        if not is_chat_template_prefix_preserving(tokenizer):
            get_training_chat_template(tokenizer)
    except ValueError as error:
        message = "How the base model writes the call of a tool is not known: its tokenizer has no response_template"
        raise ChildFailure("config_error", f"{message}, and its chat template is none that TRL knows.") from error
    return Fitted(rows, limit, [])


class ActingTrainer(RolloutTrainer):
    """Trains on tasks: each of `rows` has one, and what the dataset puts before the environment's own prompt."""

    def __init__(self, *, actors: Actors, hyper: GrpoHyperparameters, **kwargs: Any) -> None:
        self._actors = actors
        self._max_tool_turns = hyper.max_tool_turns
        self._max_prompt_length = hyper.max_prompt_length
        self._actors.task_count = len(kwargs["rows"])
        super().__init__(environment_factory=Environment, **kwargs)
        # A row's prompt becomes what its task opened with: by that the trained model is compared in the end.
        self._openings = {index: row.prompt for index, row in self.rows.items()}
        self.rows = {index: replace(row, prompt=row.prompt or NOTHING) for index, row in self.rows.items()}

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        return self._actors.arena.persist(lambda: self._rolled_out(inputs))

    def _rolled_out(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what a batch of rollouts came to; `Unreachable` where nobody answered any of a step's."""
        self._on_phase("generating")
        self._environment_s = self._generate_s = 0.0
        rows = [self.rows[example["row"]] for example in inputs]
        try:
            started = time.perf_counter()
            episodes = self._actors.arena.open([row.columns["task"] for row in rows])
            self._environment_s += time.perf_counter() - started
            begun = [_begun(self._openings[row.index], episode) for row, episode in zip(rows, episodes, strict=True)]
            seen = {row.index: rollout.prompt for row, rollout in zip(rows, begun, strict=True) if not rollout.episode.error}
            self.rows = {**self.rows, **{index: replace(self.rows[index], prompt=prompt) for index, prompt in seen.items()}}
            self._actors.begin(begun, training=self.model.training)
            return super()._generate_and_score_completions(inputs)
        finally:
            self._actors.arena.close()

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """Return the prompts with each rollout's own tools in them. One that is too long does not begin."""
        encoded = [self._encode(rollout.prompt, rollout.episode.tools) for rollout in self._actors.rollouts]
        for at, (ids, rollout) in enumerate(zip(encoded, self._actors.rollouts, strict=True)):
            if len(ids) > self._max_prompt_length and rollout.episode.error is None:
                rollout.episode.left_out = True
                rollout.episode.error = f"the prompt has {len(ids)} tokens, and max_prompt_length is {self._max_prompt_length}"
            if rollout.episode.error is not None:
                encoded[at] = self._encode(NOTHING, [])
        return encoded, None, {}

    def _sampled(self, rows: list[Row], output: Mapping[str, Any]) -> Sampled:
        """Return what was sampled, of each completion only what the model itself said."""
        rollouts = self._actors.rollouts
        return replace(
            super()._sampled(rows, output),
            texts=[rollout.text for rollout in rollouts],
            tokens=[rollout.own_tokens for rollout in rollouts],
            truncated=[rollout.cut for rollout in rollouts],
        )

    def _encode(self, messages: Messages, tools: list[dict[str, Any]]) -> list[int]:
        encoded = self.processing_class.apply_chat_template(
            messages,
            tools=tools or None,
            chat_template=self.chat_template,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            **self.chat_template_kwargs,
        )
        return list(encoded["input_ids"])

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], images: Any, fields: Any, num_generations: int, **kwargs: Any
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        """Sample one turn of each. No two are taken for one prompt's: each environment may have opened differently."""
        self._on_phase("generating")
        started = time.perf_counter()
        ids, logprobs = GRPOTrainer._generate_single_turn(self, prompt_ids, None, {}, 1, **kwargs)
        self._generate_s += time.perf_counter() - started
        return [list(turn) for turn in ids], logprobs

    def _tool_call_loop(
        self,
        prompts: list[Any],
        prompt_ids: list[list[int]],
        completion_ids: list[list[int]],
        completions: list[Messages],
        logprobs: list[list[float]] | None,
        images: Any,
        fields: Any,
    ) -> tuple[Any, ...]:
        """Let every rollout act until its episode, its turns or its tokens end; return what TRL's own loop does."""
        rollouts = self._actors.rollouts
        masks = [[0 if rollout.episode.error else 1] * len(ids) for rollout, ids in zip(rollouts, completion_ids, strict=True)]
        acting = [at for at, rollout in enumerate(rollouts) if rollout.episode.error is None]
        for at in acting:
            # The first turn again, with the tools that this rollout really has.
            completions[at] = [self._heard(rollouts[at], completion_ids[at], prompt_ids[at])]
        while acting:
            said = self._act([(rollouts[at], completions[at]) for at in acting])
            heard = {at: self._suffix(messages) for at, messages in zip(acting, said, strict=True) if messages}
            acting = [at for at in heard if self._has_room(rollouts[at], prompt_ids[at], completion_ids[at], heard[at])]
            if not acting:
                break
            read = [prompt_ids[at] + completion_ids[at] + heard[at] for at in acting]
            turns, chances = self._generate_single_turn(read, None, {}, 1)
            for n, at in enumerate(acting):
                left = self.max_completion_length - len(completion_ids[at]) - len(heard[at])
                turn = turns[n][:left]
                completion_ids[at] = completion_ids[at] + heard[at] + turn
                masks[at] = masks[at] + [0] * len(heard[at]) + [1] * len(turn)
                if logprobs is not None and chances is not None:
                    logprobs[at] = logprobs[at] + [0.0] * len(heard[at]) + chances[n][:left]
                completions[at].append(self._heard(rollouts[at], turn, read[n]))
        self._log_metric("environment_time", self._environment_s)
        self._log_metric("generate_time", self._generate_s)
        self._log_metric("tokens_per_second", sum(rollout.own_tokens for rollout in rollouts) / self._generate_s)
        calls, failed = sum(rollout.calls for rollout in rollouts), sum(rollout.failed_calls for rollout in rollouts)
        return masks, completions, completion_ids, logprobs, calls, failed, []

    def _heard(self, rollout: Rollout, ids: list[int], prefix: list[int]) -> dict[str, Any]:
        """Return the message that the tokens are, after adding it to the conversation."""
        message: dict[str, Any] = parse_response(self._tokenizer, ids, prefix=prefix, tools=rollout.episode.tools)
        rollout.own_tokens += len(ids)
        rollout.turns.append(self._tokenizer.decode(ids, skip_special_tokens=True))
        rollout.cut = not ids or ids[-1] not in self.eos_token_ids
        told = {key: value for key, value in message.items() if key != "tool_calls"}
        if calls := _calls(message):
            told["tool_calls"] = [
                {"id": f"call_{rollout.calls + n}", "type": "function", "function": {**call, "arguments": _text(call)}}
                for n, call in enumerate(calls)
            ]
        rollout.said.append(told)
        return message

    def _act(self, turns: Sequence[tuple[Rollout, Messages]]) -> list[Messages]:
        """Make the calls of each rollout's last message; return the tools' messages that the model is to read.

        A message without a call is the end, and the answer where the environment takes one.
        """
        self._on_phase("scoring")
        started = time.perf_counter()
        arena = self._actors.arena
        wanted = [_calls(said[-1])[: self._max_tool_turns - rollout.calls] for rollout, said in turns]
        final = [
            (rollout, str(said[-1]["content"]))
            for (rollout, said) in turns
            if rollout.episode.answer_tool is not None and not rollout.cut and not _calls(said[-1])
        ]
        replies = arena.call([(rollout.episode, calls) for (rollout, _), calls in zip(turns, wanted, strict=True)])
        for (rollout, _), reply in zip(final, arena.submit([(rollout.episode, text) for rollout, text in final]), strict=True):
            rollout.said.append({"role": "tool", "name": rollout.episode.answer_tool, **_outcome(reply)})
            rollout.failed_calls += reply.failed
        self._environment_s += time.perf_counter() - started
        return [
            self._told(rollout, said, calls, answers)
            for (rollout, said), calls, answers in zip(turns, wanted, replies, strict=True)
        ]

    def _told(self, rollout: Rollout, said: Messages, calls: Messages, replies: Sequence[Reply]) -> Messages:
        # Of the calls those after the end of the episode were not made.
        made = zip(calls, replies, strict=False)
        messages = [{"role": "tool", "name": str(call["name"]), "content": reply.text} for call, reply in made]
        for n, (message, reply) in enumerate(zip(messages, replies, strict=True)):
            rollout.said.append({**message, "tool_call_id": f"call_{rollout.calls + n}", **_outcome(reply)})
        rollout.calls += len(replies)
        rollout.failed_calls += sum(reply.failed for reply in replies)
        said += messages
        return messages if not rollout.episode.is_over and rollout.calls < self._max_tool_turns else []

    def _suffix(self, messages: Messages) -> list[int]:
        """Return the tokens of what the tools said, up to where the model goes on."""
        return list(self._get_tool_suffix_ids(messages))

    def _has_room(self, rollout: Rollout, prompt: list[int], completion: list[int], suffix: list[int]) -> bool:
        used = len(completion) + len(suffix)
        limit = getattr(self.model.config, "max_position_embeddings", None) or used + len(prompt) + 1
        rollout.cut = used >= self.max_completion_length or len(prompt) + used >= limit
        return not rollout.cut


def _begun(given: str | Messages, episode: Episode) -> Rollout:
    """Return the rollout of a session: the dataset's messages, then the environment's, in one where both are the user's."""
    opening, prompt = [*given] if isinstance(given, list) else [], episode.prompt
    if opening and prompt and opening[-1]["role"] == prompt[0]["role"] == "user" and opening[-1].get("content") is not None:
        merged = {"role": "user", "content": f"{opening[-1]['content']}\n\n{prompt[0]['content']}"}
        return Rollout(episode, [*opening[:-1], merged, *prompt[1:]])
    return Rollout(episode, [*opening, *prompt] or NOTHING)


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [call["function"] for call in message.get("tool_calls") or [] if call.get("type") == "function"]


def _outcome(reply: Reply) -> dict[str, Any]:
    given = {} if reply.reward is None else {"reward": reply.reward}
    return {"content": reply.text, **given, "finished": reply.finished}


def _text(call: dict[str, Any]) -> str:
    """Return a call's arguments as the OpenAI format has them."""
    arguments = call.get("arguments")
    return arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
