import asyncio

import pytest
from sqlmodel import select

from burnish.kit.core import Core
from burnish.kit.errors import Conflict, Invalid, NotFound
from burnish.kit.settings import Settings
from models.account import Account
from models.api_key import ApiKey
from models.ledger import LedgerTransaction
from resolvers import accounts, auth

pytestmark = pytest.mark.anyio


async def slugs(core: Core) -> list[str]:
    async with core.db.read() as session:
        return sorted((await session.exec(select(Account.slug))).all())


async def test_an_account_has_its_credit_and_a_key_that_works(core: Core) -> None:
    account, key = await accounts.create(core, "acme", credit_micros=5_000_000)
    assert (account.slug, account.billing_mode, account.is_operator, account.balance_micros) == (
        "acme",
        "prepaid",
        False,
        5_000_000,
    )
    assert (await auth.authenticate(core, key)).account.id == account.id


async def test_the_operators_account_is_metered(core: Core) -> None:
    account, _ = await accounts.create(core, "boss", operator=True)
    assert (account.billing_mode, account.is_operator) == ("metered", True)


@pytest.mark.parametrize("slug", ["", "A", "-a", "a-", "a b", "a" * 64, "ä", "a_b", "a\n", "../a"])
async def test_a_name_that_is_none_is_refused(core: Core, slug: str) -> None:
    with pytest.raises(Invalid):
        await accounts.create(core, slug)
    assert await slugs(core) == []


async def test_a_negative_start_is_refused(core: Core) -> None:
    with pytest.raises(Invalid):
        await accounts.create(core, "acme", credit_micros=-1)
    assert await slugs(core) == []


async def test_a_name_is_one_accounts_even_in_a_race(settings: Settings, database_url: str) -> None:
    core = Core(Settings(home=settings.home, database_url=database_url))
    making = (accounts.create(core, "acme", credit_micros=1_000_000) for _ in range(10))
    answers = await asyncio.gather(*making, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict"] * 9 + ["tuple"]
    async with core.db.read() as session:
        assert len((await session.exec(select(ApiKey))).all()) == 1
        assert len((await session.exec(select(LedgerTransaction))).all()) == 1
    await core.close()


async def test_the_first_account_is_made_once_even_by_many(settings: Settings, database_url: str) -> None:
    core = Core(Settings(home=settings.home, database_url=database_url))
    keys = await asyncio.gather(*(accounts.ensure_first(core) for _ in range(10)))
    assert len([key for key in keys if key is not None]) == 1
    assert await slugs(core) == ["operator"]
    assert await accounts.ensure_first(core) is None
    await core.close()


async def test_credit_is_added(core: Core) -> None:
    await accounts.create(core, "acme", credit_micros=1)
    topped = await asyncio.gather(*(accounts.credit(core, "acme", 10) for _ in range(10)))
    assert max(account.balance_micros for account in topped) == 101


@pytest.mark.parametrize("amount", [0, -5])
async def test_a_top_up_is_more_than_zero(core: Core, amount: int) -> None:
    await accounts.create(core, "acme")
    with pytest.raises(Invalid):
        await accounts.credit(core, "acme", amount)


async def test_nobody_gets_no_credit(core: Core) -> None:
    with pytest.raises(NotFound):
        await accounts.credit(core, "nobody", 5)


async def test_a_taken_name_is_a_conflict(core: Core) -> None:
    await accounts.create(core, "acme")
    with pytest.raises(Conflict) as caught:
        await accounts.create(core, "acme")
    assert (caught.value.message, caught.value.param) == ("There is an account called acme already.", "name")
