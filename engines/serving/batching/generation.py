"""The model and its batching: requests go in as tokens, and come out as tokens while they are made."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessorList
from transformers.generation.logits_process import LogitsProcessorList

from engines.serving.batching.sampling import Chosen, EachInItsOwnWay, Sampling

PAGE_TOKENS = 32
CPU_BATCH_TOKENS = 512
SEQUENCES = 32
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
LOOK_EVERY_S = 1.0
NEVER = -1


class Dead(Exception):
    """The batching has ended; nothing is answered any more."""


class Generation:
    """One model. `generate` is called from one event loop; the batching runs in a thread of its own.

    `context` is how many tokens a prompt and its answer may have together. `args` are those of `EngineArgs` that are heeded.
    """

    def __init__(self, folder: Path, device: str, kv_cache_bytes: int | None, args: dict[str, Any]) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        dtype = DTYPES.get(args.get("dtype", "auto"), "auto")
        self._model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation="sdpa", local_files_only=True, use_safetensors=True
        ).to(device)
        config = self._model.config.get_text_config()
        self.vocabulary = int(config.vocab_size)
        self._live = 0
        self._numbers = itertools.count()
        ends = self._model.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if ends is None else ends
        self.ends = [token for token in (ends if isinstance(ends, list) else [ends]) if token is not None]
        most = getattr(config, "max_position_embeddings", None) or 2048
        self.context = min(most, args.get("max_model_len") or most)
        sequences = args.get("max_num_seqs") or SEQUENCES
        blocks = None if kv_cache_bytes is None else self._blocks(config, kv_cache_bytes, sequences)
        if blocks is not None:
            self.context = min(self.context, blocks * PAGE_TOKENS)
        self._manager = self._batching(sequences, blocks, args)

    def _blocks(self, config: Any, kv_cache_bytes: int, sequences: int) -> int:
        """Return how many pages of tokens the memory holds, and no more than all sequences can fill."""
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        page_bytes = PAGE_TOKENS * config.num_hidden_layers * heads * size * 2 * self._model.dtype.itemsize
        wanted = sequences * (-(-self.context // PAGE_TOKENS) + 1)
        return max(2, min(kv_cache_bytes // int(page_bytes), int(wanted)))

    def _batching(self, sequences: int, blocks: int | None, args: dict[str, Any]) -> Any:
        settings = ContinuousBatchingConfig(
            page_size=PAGE_TOKENS,
            num_blocks=blocks,
            max_batch_tokens=args.get("max_num_batched_tokens") or (CPU_BATCH_TOKENS if blocks is not None else None),
            max_requests_per_batch=sequences,
            max_memory_percent=args.get("gpu_memory_utilization"),
            allow_block_sharing=args.get("enable_prefix_caching", True),
            # What chooses the tokens looks at the requests of the batch before it: see `EachInItsOwnWay`.
            use_async_batching=False,
            use_cuda_graph=False,
            # It would be fetched from the hub.
            auto_switch_to_flash=False,
            per_request_processors=True,
        )
        alike = GenerationConfig(do_sample=False, eos_token_id=self.ends or NEVER, max_new_tokens=self.context)
        manager = self._model.init_continuous_batching(generation_config=alike, continuous_batching_config=settings)
        manager.logit_processor = ContinuousBatchingLogitsProcessorList(
            LogitsProcessorList([EachInItsOwnWay()]),
            per_request_processors=True,
        )
        manager.logit_processor.tensors_required = 1
        return manager

    def start(self) -> None:
        self._manager.start()

    @property
    def is_alive(self) -> bool:
        return bool(self._manager.is_running())

    @property
    def load(self) -> tuple[int, int, float]:
        """How many answers are being made, how many wait, and the share of the cache that is in use."""
        processor = self._manager.batch_processor
        if processor is None:
            return 0, self._live, 0.0
        running = min(self._live, len(processor.scheduler.active_requests))
        pool = processor.cache.pool
        return running, self._live - running, 1 - pool.num_free_sectors / processor.cache.num_sectors

    async def until_dead(self) -> None:
        """Return once the batching has ended. Meanwhile what came for requests that were given up is thrown away."""
        while self.is_alive:
            await asyncio.sleep(LOOK_EVERY_S)
            left = self._manager.output_router.output_queue
            while not left.empty():
                left.get_nowait()

    async def generate(
        self, prompt: Sequence[int], most: int, sampling: Sampling, *, ends: Sequence[int]
    ) -> AsyncGenerator[list[Chosen], None]:
        """Yield the tokens of an answer as they come, the one that ends it among them; Dead where the batching ends first.

        Closed before its end, it gives the request up.
        """
        if not self.is_alive:
            raise Dead("The engine has died.")
        name = f"request-{next(self._numbers)}"
        outputs: asyncio.Queue[Any] = asyncio.Queue()
        sampling.prompt = list(prompt)
        self._live += 1
        self._manager.register_result_handler(name, outputs.put_nowait)
        told, finished = 0, False
        try:
            self._manager.add_request(
                list(prompt), request_id=name, max_new_tokens=most, streaming=True, eos_token_id=list(ends), sampling=sampling
            )
            while not finished:
                output = await outputs.get()
                if output.error is not None:
                    raise Dead(output.error)
                finished = output.is_finished()
                now = len(output.generated_tokens)
                if now > told:
                    yield sampling.chosen[told:now]
                told = now
        finally:
            self._live -= 1
            if not finished:
                self._manager.cancel_request(name)
                self._manager.output_router.result_handlers.pop(name, None)
