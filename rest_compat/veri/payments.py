"""The webhook by which Stripe tells of payments. It stands outside the API keys: what Stripe signed is believed, nothing else."""

from typing import Literal

from starlette.requests import Request

from resolvers import payments
from rest_compat import http
from rest_compat.wire import Wire

PATH = "/v1/billing/stripe/webhook"
MAX_BYTES = 2**20


class Received(Wire):
    """The event was taken. `outcome` says what it did: nothing twice."""

    received: Literal[True] = True
    outcome: Literal["credited", "refunded", "known", "ignored"]


async def receive(request: Request) -> Received:
    """Tell of a payment, as Stripe.

    Signed by Stripe with the secret of `BURNISH_STRIPE_WEBHOOK_SECRET`, at most five minutes ago; a replay does nothing twice.
    """
    payload = await http.body(request, MAX_BYTES)
    core = request.app.state.platform.core
    outcome = await payments.receive(core, payload, request.headers.get("stripe-signature"))
    return Received.model_validate({"outcome": outcome})
