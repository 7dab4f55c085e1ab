"""SSH keys and integrations over GraphQL: they go in, and what comes out is not them."""

import pytest
from sqlmodel import select

from models import integration
from models.ssh_key import SshKey
from tests.conftest import Server
from tests.rest_compat import things
from tests.schema.conftest import Api

pytestmark = pytest.mark.anyio
CREATE = "mutation($input: SshKeyInput!) { createSshKey(input: $input) { sshKey { id name provider publicKey fingerprint } errors { code reason message path hint } } }"  # noqa: E501
DELETE = "mutation($input: DeleteSshKeyInput!) { deleteSshKey(input: $input) { sshKey { id } errors { code } } }"
ONE = "query($id: ID!) { sshKey(id: $id) { id } node(id: $id) { id } sshKeys { nodes { id name } } }"
SET = "mutation($input: SetIntegrationInput!) { setIntegration(input: $input) { integration { provider configured keyPrefix } errors { code path } } }"  # noqa: E501
REMOVE = "mutation($input: RemoveIntegrationInput!) { removeIntegration(input: $input) { integration { configured } errors { code } } }"  # noqa: E501
LIST = "{ integrations { provider configured keyPrefix } integration(provider: HUGGINGFACE) { configured updatedAt } }"


def given(**changes: str) -> dict[str, str]:
    made = things.ssh_pair()
    return {"name": "laptop", "publicKey": made["public_key"], "privateKey": made["private_key"], **changes}


async def test_an_ssh_key_is_kept_listed_and_deleted(api: Api, server: Server) -> None:
    wanted = given(provider="lambda")
    made = (await api.data(CREATE, input=wanted))["createSshKey"]["sshKey"]
    public = wanted["publicKey"].rpartition(" ")[0]
    expected = {"name": "laptop", "provider": "lambda", "publicKey": public, "fingerprint": made["fingerprint"]}
    assert made == {"id": made["id"], **expected}
    found = await api.data(ONE, id=made["id"])
    assert found == {
        "sshKey": {"id": made["id"]},
        "node": {"id": made["id"]},
        "sshKeys": {"nodes": [{"id": made["id"], "name": "laptop"}]},
    }
    other = Api(server, await server.new_tenant("other"))
    before = await things.everything(server)
    assert await other.data(ONE, id=made["id"]) == {"sshKey": None, "node": None, "sshKeys": {"nodes": []}}
    gone = (await other.data(DELETE, input={"id": made["id"]}))["deleteSshKey"]
    assert gone == {"sshKey": None, "errors": [{"code": "NOT_FOUND"}]}
    assert await things.everything(server) == before
    for _ in range(2):
        again = await api.data(DELETE, input={"id": made["id"], "idempotencyKey": "once"})
        assert again == {"deleteSshKey": {"sshKey": {"id": made["id"]}, "errors": []}}
    assert await api.data(ONE, id=made["id"]) == {"sshKey": None, "node": None, "sshKeys": {"nodes": []}}
    async with server.platform.db.read() as session:
        assert (await session.exec(select(SshKey.sealed_private_key))).one() == ""


async def test_what_is_no_pair_is_an_error_of_its_field(api: Api, server: Server) -> None:
    before = await things.everything(server)
    for changes, path in (
        ({"privateKey": given()["privateKey"]}, ["privateKey"]),
        ({"publicKey": "ssh-rsa nonsense"}, ["publicKey"]),
        ({"provider": "acme"}, ["provider"]),
    ):
        (error,) = (await api.data(CREATE, input=given(**changes)))["createSshKey"]["errors"]
        assert (error["code"], error["path"]) == ("INVALID", path)
    assert await things.everything(server) == before


async def test_an_integration_is_set_replaced_and_removed(api: Api, server: Server) -> None:
    first = (await api.data(SET, input={"provider": "HUGGINGFACE", "token": "hf_" + "a" * 37}))["setIntegration"]
    assert first == {"integration": {"provider": "HUGGINGFACE", "configured": True, "keyPrefix": "hf_aaaaa"}, "errors": []}
    second = (await api.data(SET, input={"provider": "HUGGINGFACE", "apiKey": "hf_" + "b" * 37}))["setIntegration"]
    assert second["integration"]["keyPrefix"] == "hf_bbbbb"
    listed = (await api.data(LIST))["integrations"]
    assert [item["provider"] for item in listed if item["configured"]] == ["HUGGINGFACE"]
    assert len(listed) == len(integration.PROVIDERS)
    async with server.platform.db.read() as session:
        core, account = server.platform.core, server.tenant.account
        assert await integration.secret(session, core.secrets, account.id, "huggingface") == "hf_" + "b" * 37
    other = Api(server, await server.new_tenant("other"))
    assert [item for item in (await other.data(LIST))["integrations"] if item["configured"]] == []
    assert (await other.data(REMOVE, input={"provider": "HUGGINGFACE"}))["removeIntegration"]["errors"] == [{"code": "NOT_FOUND"}]
    assert (await api.data(REMOVE, input={"provider": "HUGGINGFACE"}))["removeIntegration"]["integration"] == {
        "configured": False
    }
    assert (await api.data(LIST))["integration"] == {"configured": False, "updatedAt": None}
    async with server.platform.db.read() as session:
        assert await integration.secret(session, core.secrets, account.id, "huggingface") is None


@pytest.mark.parametrize("credential", [{}, {"token": "a" * 20, "apiKey": "b" * 20}, {"token": ""}, {"token": "a b"}])
async def test_a_credential_is_given_once_and_whole(api: Api, server: Server, credential: dict[str, str]) -> None:
    before = await things.everything(server)
    (error,) = (await api.data(SET, input={"provider": "WANDB", **credential}))["setIntegration"]["errors"]
    assert error["code"] == "INVALID"
    assert await things.everything(server) == before
