"""What the fields of the API mean that mean the same everywhere, and the last touches on a description made of models.

A model that has more to say of a field says it itself; what is here fills in where it is silent.
"""

from typing import Any

Schema = dict[str, Any]
# By the name of the field or parameter.
WORDS = {
    "active_deployments": "How many deployments are up.",
    "active_jobs": "How many training jobs are running.",
    "after": "The id of the last element of the page before.",
    "amount_usd": "By how much the balance changed, in US dollars.",
    "api_key": "The credential.",
    "attribution": "Whose fault it was: `user` or `platform`.",
    "available": "Whether the provider has it.",
    "available_keys": "Every metric that the job has reported.",
    "avg_cost_per_job_usd": "What a job costs on average, in US dollars.",
    "avg_latency_ms": "Mean time to the whole answer.",
    "balance_usd": "The credit, before what is set aside for running work, in US dollars.",
    "base_model": "The model that is trained: a repository of the Hugging Face hub, or a name that this installation knows.",
    "base_revision": "The revision of the model whose tokenizer counted.",
    "checkpoint_destination": "Where the trained model goes besides this installation's own storage.",
    "checkpoint_id": "The id of a checkpoint: `ckpt_…`.",
    "batch_id": "The id of a batch: `batch_…`.",
    "file_id": "The id of a file: `file-…`.",
    "client_cancelled": "Whether the client went away before the answer was whole.",
    "code": "A word for programs to tell errors apart; null where the status says it all.",
    "columns": "The columns.",
    "completed_at": "When it ended; null until then.",
    "completion_tokens": "Tokens that were generated.",
    "components": "The named parts of each reward.",
    "cost_per_hour_usd": "What it costs an hour while it runs; null until it is placed.",
    "cost_usd": "What it has cost, in US dollars.",
    "count": "How many GPUs.",
    "created_at": "When it was made.",
    "current_replicas": "How many replicas answer.",
    "current_step": "The last step that has been reported.",
    "data": "The elements of this page.",
    "dataset_id": "The id of a dataset: `ds_…`.",
    "default": "What it is when it is not given.",
    "deleted": "Always true.",
    "deploy_id": "The id of a deployment: `dep_…`.",
    "deployment_id": "The id of a deployment: `dep_…`.",
    "deployments": "The deployments.",
    "description": "What it is, in words for people.",
    "desired_replicas": "How many replicas there are to be just now.",
    "duplicate_prompts": "How many rows repeat the prompt of an earlier one.",
    "duration_ms": "How long it took.",
    "duration_seconds": "How long it ran; null until it has ended.",
    "email": "The address of the account; null where none is known.",
    "environments": "OpenReward environments as the source of the reward, by their id, in place of a reward function.",
    "error": "What went wrong; null where nothing did.",
    "error_message": "What went wrong; null where nothing did.",
    "errors": "What is wrong.",
    "estimated_cost_usd": "What was asked about, in US dollars.",
    "eval_id": "The id of an eval: `eval_…`.",
    "event_type": "What happened: `created`, `submitted`, `provisioning`, `running`, `checkpoint_saved`, `completed`, …",
    "expires_at": "When it stops working; null for never.",
    "expires_in_seconds": "After how many seconds it stops working; never by default.",
    "extra_args": "Flags for the engine, of those that are allowed.",
    "file": "The file itself.",
    "file_count": "How many files it has.",
    "file_name": "What the uploaded file was called.",
    "files": "Each file by itself.",
    "finish_reason": "Why the generation ended.",
    "format": "How the function is called: `trl`, `miles` or `verl`.",
    "gpu": "The hardware.",
    "gpu_cost_usd": "The part of the hardware.",
    "gpu_count": "How many GPUs.",
    "gpu_hours": "Hours of hardware; two GPUs for an hour are two.",
    "gpu_requested": "The hardware as it was asked for.",
    "gpu_type": "The kind of GPU, as in `H100-80GB`; case does not matter.",
    "hardware_profile": "The hardware of each replica.",
    "held_usd": "What is set aside for running work.",
    "hf_model_id": "The model behind the deployment.",
    "hf_token": "A token of Hugging Face that opens the model, where it is gated. It is never shown again.",
    "hourly_burn_usd": "What running work costs an hour.",
    "hours_remaining": "How long the credit lasts at this rate; null where nothing burns it.",
    "huggingface_dataset": "The repository of the Hugging Face hub that the rows come from; null for other sources.",
    "hyperparameters": "The settings of the method; what is left out has its default.",
    "id": "Its id: a prefix that says what it is, and a part that sorts by time.",
    "inference_requests_per_minute": "How many completions the key may ask for a minute, within what this installation allows; "
    "null for no limit of its own.",
    "inference_tokens_per_minute": "How many prompt and completion tokens the key may use a minute, within what this "
    "installation allows; null for no limit of its own. While they are used up it is refused; what was too much is paid back.",
    "items": "The elements.",
    "job_count": "How many training jobs.",
    "job_id": "The id of a training job: `job_…`.",
    "key_id": "The id of an API key: `key_…`.",
    "key_prefix": "The first characters, to tell it by.",
    "last_used_at": "When it was used last, to within some seconds; null for never.",
    "latency_ms": "Time to the whole answer.",
    "latest_step": "The last step of the job; null before the first.",
    "limit_usd": "The most that may be spent in the period; null for no budget.",
    "line": "The line, counted from 1; null where it is not about one.",
    "machine_types": "The hardware profiles.",
    "mapped_columns": "The columns under the names that they are mapped to.",
    "markup_multiplier": "What the sum of the parts is multiplied by.",
    "max": "The longest.",
    "max_batch_size": "How many requests a replica works on at once.",
    "max_prompt_length": "The limit that prompts are held against, in tokens; null for none.",
    "max_replicas": "The most replicas it may have.",
    "max_tokens": "The most tokens to generate.",
    "maximum": "The largest value; null for no limit.",
    "mean": "The mean.",
    "message": "What is wrong, in words for people.",
    "messages": "The conversation so far, each message with its `role` and `content`.",
    "metadata": "What else is known of it.",
    "method": "How the model is trained.",
    "metrics": "The points, by step.",
    "min": "The shortest.",
    "min_replicas": "The fewest replicas it keeps.",
    "minimum": "The smallest value; null for no limit.",
    "missing": "In how many rows it is missing or null.",
    "model": "The name of a deployment, or its id.",
    "name": "A name for people to know it by.",
    "num_rows": "How many rows it has; null until they have been read.",
    "object": "What kind of thing this is.",
    "org": "The unchanging short name of the account.",
    "org_id": "The id of the account: `acct_…`.",
    "outcome": "What the event did.",
    "output_name": "A name for the trained model.",
    "over_limit": "How many prompts are longer than the limit; null for no limit.",
    "overhead_cost_usd": "The part of the provider's overhead.",
    "owned_by": "The account that it belongs to.",
    "p50": "The median.",
    "p90": "Nine in ten are no longer.",
    "p95": "Nineteen in twenty are no longer.",
    "p99": "Ninety-nine in a hundred are no longer.",
    "path": "Its path among the files.",
    "period": "After what time the budget begins anew: `month`, or `total` for never.",
    "period_began_at": "When the present period began; null for no budget.",
    "period_days": "How many days were looked at.",
    "plan": "How the account pays: `prepaid` or `metered`.",
    "prompt_tokens": "Tokens of the prompt.",
    "prompts": "What the prompts were: texts or conversations.",
    "provider": "Where it runs: `local` for the installation's own hosts.",
    "public_key_fingerprint": "The SHA-256 fingerprint of the public key, as `ssh-keygen -l` shows it.",
    "rates": "US dollars an hour, by provider and type of GPU.",
    "received": "Always true.",
    "remaining_usd": "What may still be spent in the period; null for no budget.",
    "replica_id": "The id of a replica: `rep_…`.",
    "request_id": "What a completion that was asked for with `X-Async` is fetched by.",
    "requires_heartbeat": "Whether the job is stopped when its client has been silent for long.",
    "resource_id": "The id of what it is about; null where that is the account.",
    "revision": "The commit, branch or tag of the repository; its newest by default.",
    "reward_function_id": "The id of a reward function: `rf_…`.",
    "rewards": "The reward of each completion, in their order; null where the function gave none.",
    "sample": "The first rows, under their mapped names.",
    "samples": "Which completions were scored.",
    "scopes": "What it may do.",
    "sha256": "The SHA-256 of the content, in hexadecimal.",
    "size_bytes": "The size of all its files.",
    "source_type": "Where the rows come from.",
    "source_uri": "The address of the source; null for an upload.",
    "spent_usd": "What was spent in the period; null for no budget.",
    "ssh_key_id": "The id of an SSH key: `sk_…`.",
    "stabilisation_window": "For how many seconds fewer replicas must have been enough before there are fewer.",
    "run_id": "The id of a run: `run_…`.",
    "started_at": "When it began to run; null until then.",
    "status": "Where it is in its life.",
    "status_code": "The HTTP status of the answer.",
    "step": "The optimizer step.",
    "stopped_at": "When it was stopped; null until then.",
    "storage_cost_usd": "The part of storage.",
    "streamed": "Whether the answer was streamed.",
    "stripe_customer_id": "The account's customer id at Stripe; null where it has none.",
    "sufficient": "Always true: where the credit does not cover it, the answer is 402.",
    "target_latency_p95_ms": "The 95th percentile of latency that it scales to stay under, in milliseconds.",
    "target_rps": "Requests a second that a replica is to get.",
    "temperature": "Sampling temperature.",
    "timestamp": "When it happened.",
    "token": "What the URL was given out with.",
    "tokens": "How long the prompts are in tokens; null without a `base_model`.",
    "total_completion_tokens": "All tokens that were generated.",
    "total_cost_usd": "What it has cost so far, in US dollars.",
    "total_jobs": "How many jobs that makes.",
    "total_monthly_usd": "What they come to.",
    "total_prompt_tokens": "All tokens of the prompts.",
    "total_requests": "How many requests it has answered.",
    "total_steps": "How many steps it will have; null until that is known.",
    "trial": "What the test at the upload found; null where it was uploaded before there was one.",
    "type": "The kind of GPU, as in `H100-80GB`.",
    "types": "How many values of each type it has.",
    "updated_at": "When it changed last.",
    "uptime_seconds": "How long it has been serving.",
    "url": "Where to fetch it; works without an API key for a limited time.",
    "user_id": "The id of the account: `acct_…`.",
    "valid": "Whether a dataset can be made of it.",
    "values": "Each metric by its name.",
    "video_rows": "How many rows have a video.",
    "warnings": "What could not be tested.",
    "weights": "The factor of each component in the reward; null for 1 everywhere.",
    "with_keep_warm_usd": "Both together.",
}
# Where the same word means something else: by the model and the field, or by the path and the parameter.
OWN = {
    "/v1/downloads/{token}/{name}.name": "A name for the file; any will do.",
    "/v1/models/{model}.model": "The name of a deployment, or its id.",
    "BalanceCheck.balance_usd": "The credit that is free, in US dollars.",
    "BatchObject.request_counts": "The lines by what has become of them.",
    "BatchObject.usage": "What the lines have used so far.",
    "CheckpointObject.final": "Whether it is the trained model of a completed job.",
    "DeploymentInput.model": "The id of a training job, or a repository of the Hugging Face hub.",
    "DeploymentInput.name": "A name for the endpoint, unlike those of the other active ones.",
    "DeploymentInput.provider": "Where to run it; the cheapest that has room by default.",
    "DeploymentInput.source": "Where the model comes from: `training_job` or `huggingface`.",
    "DeploymentObject.model": "The id of a training job, or a repository of the Hugging Face hub.",
    "DeploymentObject.source": "Where the model comes from: `training_job` or `huggingface`.",
    "ErrorBody.error": "What went wrong.",
    "ErrorDetail.type": "The kind of error, which goes with the status.",
    "IntegrationInput.token": "The same, for services that call it so.",
    "JobInput.checkpoint_destination": "Where the trained model goes besides this installation's own storage.",
    "JobInput.provider": "Where to run it; the cheapest that has room by default.",
    "ModelMeta.healthy_replicas": "How many replicas answer.",
    "ModelMeta.total_replicas": "How many replicas there are, those that are starting too.",
    "ModelObject.meta": "What else is known of the deployment.",
    "ParameterObject.type": "What kind of value it is.",
    "RewardTestError.file": "The file that it happened in.",
    "RewardTestError.sample": "Which sample it happened at, counted from 0; null where it was the whole batch.",
    "RewardTestInput.samples": "What to score; made-up completions where there is nothing.",
    "Transactions.has_more": "Whether anything follows the last element.",
    "VersionInput.model": "The id of a completed job or of its final checkpoint, or a repository of the Hugging Face hub.",
    "VersionInput.source": "Where the model comes from: `training_job` or `huggingface`.",
}
# Of models that have no words of their own in the description, by how their names begin.
GENERIC = {
    "Listing_": "A page of a list, newest first.",
    "Items_": "A plain list.",
    "DestinationObject": "Where the trained model goes: its `type`, and its `uri`, or its `repo` and whether that is `private`.",
}


def complete(description: Schema) -> Schema:
    """Return the description with what its models leave unsaid, and without what they say for nothing."""
    for name, model in description["components"]["schemas"].items():
        generic = next((text for prefix, text in GENERIC.items() if name.startswith(prefix)), "")
        model.setdefault("description", generic)
        _model(name, model)
    for path, operations in description["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                parameter["description"] = parameter.get("description") or _meaning(path, parameter["name"])
                parameter["schema"] = _sent_as_text(_tidy(parameter["schema"]))
            for content in operation.get("requestBody", {}).get("content", {}).values():
                _model(path, content["schema"])
    return description


def _model(name: str, model: Schema) -> None:
    """Complete the fields of a model, in place."""
    for part in (model, *model.get("anyOf", ())):
        part.pop("title", None)
        properties = part.get("properties", {})
        for field, schema in properties.items():
            tidy = _tidy(schema)
            properties[field] = {**tidy, "description": tidy.get("description") or _meaning(name, field)}


def _meaning(where: str, field: str) -> str:
    return OWN.get(f"{where}.{field}") or WORDS.get(field, "")


def _tidy(schema: Schema) -> Schema:
    """Return the schema without a title made of the field's name, and with `null` as one of its types."""
    tidy = {key: value for key, value in schema.items() if key != "title"}
    if tidy.get("minLength") and not {"pattern", "format", "enum"} & tidy.keys():
        # What surrounds a text is stripped before it is measured.
        tidy["pattern"] = r"\S"
    several = tidy.get("anyOf", [])
    if several[:2] and several[0].get("type") == "number" and several[1] == {"type": "string"}:
        return _decimal(tidy, several)
    some = [one for one in several if one != {"type": "null"}]
    some = [_tidy(one) if one.get("type") == "string" else one for one in some]
    if len(some) != 1 or len(several) != 2 or "type" not in some[0] or "const" in some[0]:
        return tidy
    del tidy["anyOf"]
    kinds = some[0]["type"] if isinstance(some[0]["type"], list) else [some[0]["type"]]
    merged = {**some[0], **tidy, "type": [*kinds, "null"]}
    return {**merged, "enum": [*merged["enum"], None]} if "enum" in merged else merged


def _decimal(schema: Schema, several: list[Schema]) -> Schema:
    """Return the schema of an exact number: it may also come as a text, so that nothing is lost on the way."""
    number, _, *others = several
    whole = "[1-9]" if "exclusiveMinimum" in number else "[0-9]"
    text = {"type": "string", "pattern": rf"^{whole}[0-9]{{0,8}}(\.[0-9]{{1,6}})?$"}
    given = {"default": float(schema["default"])} if isinstance(schema.get("default"), str) else {}
    return {**schema, **given, "anyOf": [number, text, *others]}


def _sent_as_text(schema: Schema) -> Schema:
    """Return the schema of a parameter without `null`, which cannot be written in a URL or a header."""
    if "anyOf" in schema:
        # Everything in a URL is a text: that of a number is a number.
        one = schema["anyOf"][0]
        return {**{key: value for key, value in schema.items() if key != "anyOf"}, **one}
    kinds = schema.get("type")
    if not isinstance(kinds, list):
        return schema
    (kind,) = (one for one in kinds if one != "null")
    text = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    return {**text, "type": kind, **({"enum": [one for one in text["enum"] if one is not None]} if "enum" in text else {})}
