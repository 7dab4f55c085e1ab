"""Money that a tenant has spent, written as a host leaves it behind."""

from datetime import timedelta

from burnish.kit import clock
from models import ledger
from models.ledger import Meter
from tests.conftest import Server, Tenant

USD = 1_000_000


async def spent(
    server: Server,
    resource_id: str,
    seconds: int,
    *,
    rate_usd: float = 3.6,
    attempt: int = 1,
    provider: str = "local",
    gpu: str = "H100-80GB",
    count: int = 1,
    running: bool = False,
    refund: bool = False,
    tenant: Tenant | None = None,
) -> None:
    """Bill a resource for so many seconds up to now."""
    account_id = (tenant or server.tenant).account.id
    now = clock.now()
    async with server.platform.db.transaction() as session:
        await ledger.start_meter(
            session,
            account_id,
            resource_id,
            attempt,
            int(rate_usd * USD),
            now - timedelta(seconds=seconds),
            provider=provider,
            gpu_type=gpu,
            gpu_count=count,
        )
        await ledger.accrue(session, resource_id, now, description=f"Training job {resource_id}", close=not running)
        if refund:
            await ledger.refund(session, account_id, resource_id, description="Refunded")


async def open_meter(server: Server, resource_id: str) -> Meter:
    async with server.platform.db.read() as session:
        return await session.get_one(Meter, (resource_id, 1))
