"""What the description says of the whole API, at the head of the reference page."""

ABOUT = """The REST interface of Burnish: train a model with your reward function, deploy it, call it with the OpenAI SDK.
Everything here is in GraphQL too, at `/graphql`.

## Authentication

Send an API key as `Authorization: Bearer vk_…`, or as `xi-api-key: vk_…`. Keys have scopes and may expire. What is another
account's is 404.

## Errors

An answer of 400 and above has one shape nearly everywhere. `code` is for programs, and null where the status says it all; `param`
is the field that it is about; `details`, where there is more than one problem, names them all. Every answer carries
`x-request-id`.

```json
{"error": {"type": "invalid_request_error", "code": null, "message": "Invalid API key", "param": null}}
```

The routes under Inference, Files and Batches answer as OpenAI's do, those under DeepInfra with `{"error": "…"}`, those under
Dedicated inference with `{"detail": "…"}`.

## Lists

Lists are newest first. `limit` is 1 to 100; while `has_more` is true, pass the `id` of the last element as `after` to get the
next page.

## Sending a request twice

With an `Idempotency-Key` of your own, the same key and body make the thing once, and later answers repeat the first; the same key
with another body is 409.

## Times and money

Times are ISO 8601 in UTC. Money is in US dollars.
"""
TAGS = {
    "Datasets": "Prompts to train on: JSONL files, or sources that they are read from.",
    "Reward functions": "Python that scores completions; it runs in a jail.",
    "Training jobs": "From a base model, a dataset and a reward to a trained model.",
    "Deployments": "Models kept ready to answer.",
    "DeepInfra": "The same deployments, as DeepInfra's clients know them.",
    "Dedicated inference": "The same deployments, as the clients of the dedicated service know them.",
    "Inference": "Chat and text completions, as OpenAI's clients send them.",
    "Files": "What batches read and write, as OpenAI's clients send and fetch it.",
    "Batches": "Files of requests that are worked through below the interactive traffic, as OpenAI's clients send them.",
    "Evals": "Datasets that models answer, scored and compared.",
    "Cost": "What things cost, and what was spent on what.",
    "Billing": "The account's credit and budget.",
    "API keys": "Keys for this interface.",
    "SSH keys": "Pairs of keys for rented machines.",
    "Integrations": "Credentials at other services.",
    "Audit log": "Who changed what, and when.",
    "Account": "Who the key belongs to.",
    "Description": "This description.",
}
