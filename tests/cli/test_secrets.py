"""Keys, SSH keys, integrations, the audit log, the encryption key and shell completion, as typed."""

import subprocess
from pathlib import Path

import anyio.to_thread
import pytest

from burnish.cli import durations
from burnish.cli.exits import CliError
from burnish.kit.settings import Settings
from models import integration
from tests.cli.conftest import Commands, without
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
SECRET = "hf_" + "s" * 37


@pytest.fixture
def pair(plain: Path) -> Path:
    made = things.ssh_pair()
    (plain / "id.pub").write_text(made["public_key"] + "\n")
    path = plain / "id"
    path.write_text(made["private_key"])
    return path


async def test_a_key_expires_and_has_scopes_as_asked(burnish: Commands) -> None:
    made = await burnish.json("keys", "create", "ci", "--expires-in", "30d", "--scope", "read", "--scope", "inference")
    assert (made["scopes"], made["expires_at"][:10] > made["created_at"][:10]) == (["inference", "read"], True)
    assert "expires_at" in (await burnish("keys", "create", "ci", "--expires-in", "90")).stdout
    for wrong in ("3y", "0", "-1", "d"):
        assert "--expires-in" in (await burnish("keys", "create", "x", f"--expires-in={wrong}", code=2)).stderr
    assert "--scope" in (await burnish("keys", "create", "x", "--scope", "root", code=1)).stderr
    assert len(await burnish.json("keys", "list")) == 3


async def test_an_ssh_key_is_added_listed_and_deleted(burnish: Commands, pair: Path) -> None:
    made = await burnish.json("ssh-keys", "add", "laptop", "-i", "id", "--provider", "lambda")
    assert (made["name"], made["provider"]) == ("laptop", "lambda")
    assert [found["id"] for found in await burnish.json("ssh-keys", "list")] == [made["id"]]
    typed = await burnish("ssh-keys", "add", "other", "-i", "-", "--public-key", "id.pub", text=pair.read_text())
    assert made["public_key_fingerprint"] in typed.stdout
    assert (await burnish.json("ssh-keys", "delete", made["id"]))["deleted"] is True
    await burnish("ssh-keys", "delete", made["id"], code=4)
    pair.write_text(things.ssh_pair()["private_key"])
    assert (await burnish("ssh-keys", "add", "x", "-i", "id", code=1)).stderr.startswith("Error: --private-key: The private key")
    assert (await burnish("ssh-keys", "add", "x", "-i", "none", code=1)).stderr == "Error: none.pub: No such file or directory\n"


async def test_an_integration_is_set_from_a_file_or_from_standard_input_alone(burnish: Commands, server: Server) -> None:
    (burnish.folder / "token").write_text(SECRET + "\n")
    for arguments, text in ((("-f", "token"), None), ((), SECRET + "\n"), (("-f", "-"), SECRET)):
        set_ = await burnish("integrations", "set", "huggingface", *arguments, text=text)
        assert SECRET not in set_.stdout + set_.stderr
        async with server.platform.db.read() as session:
            account = server.tenant.account.id
            found = await integration.secret(session, server.platform.core.secrets, account, "huggingface")
        assert found == SECRET
        assert (await burnish.json("integrations", "remove", "huggingface"))["configured"] is False
    await burnish("integrations", "set", "huggingface", SECRET, code=2)
    assert "No Credential" in (await burnish("integrations", "set", "huggingface", code=2, text=" \n")).stderr
    await burnish("integrations", "set", "acme", code=4, text=SECRET)
    await burnish("integrations", "remove", "wandb", code=4)
    assert [item["configured"] for item in await burnish.json("integrations", "list")] == [False] * len(integration.PROVIDERS)


async def test_the_audit_log_is_filtered(burnish: Commands) -> None:
    made = await burnish.json("keys", "create", "ci")
    await burnish("keys", "revoke", made["id"])
    assert [found["action"] for found in await burnish.json("audit")] == ["api_keys.revoke", "api_keys.create", "accounts.create"]
    assert [found["action"] for found in await burnish.json("audit", "--resource", made["id"], "--since", "1h")] == [
        "api_keys.revoke",
        "api_keys.create",
    ]
    assert [found["action"] for found in await burnish.json("audit", "--action", "accounts")] == ["accounts.create"]
    assert await burnish.json("audit", "--until", "2020-01-01") == []
    assert "operator" in (await burnish("audit", "--actor", "operator")).stdout
    assert "--since" in (await burnish("audit", "--since", "yesterday", code=2)).stderr


async def test_the_encryption_key_is_changed_while_the_api_runs(burnish: Commands, server: Server, pair: Path) -> None:
    await burnish("ssh-keys", "add", "laptop", "-i", "id")
    (before,) = await burnish.json("secrets", "list")
    assert (before["state"], before["sealed"]) == ("current", {"ssh_key.sealed_private_key": 1})
    done = await burnish.json("secrets", "rotate")
    assert (done["resealed"], done["dropped"], done["unopened"]) == (1, [], [])
    assert done["current"] == done["made"] == server.platform.core.secrets.keyring.current.id != before["key"]
    listed = await burnish.json("secrets", "list")
    assert [(key["key"], key["state"]) for key in listed] == [(done["current"], "current"), (before["key"], "retired")]
    assert listed[1]["needed_until"].endswith("Z")
    assert f"{before['key']} is kept until" in (await burnish("secrets", "rotate")).stderr
    assert (await burnish.json("ssh-keys", "list"))[0]["name"] == "laptop"


async def test_keys_of_the_environment_are_told_apart(burnish: Commands, settings: Settings) -> None:
    old, new = "ab" * 32, "cd" * 32
    burnish.environment["BURNISH_ENCRYPTION_KEY"] = f"{new},{old}"
    done = await burnish.json("secrets", "rotate")
    assert (done["made"], len(done["may_be_dropped"])) == (None, 1)
    assert [key["state"] for key in await burnish.json("secrets", "list")] == ["current", "for reading"]
    said = await burnish("secrets", "rotate")
    assert f"{done['may_be_dropped'][0]} has sealed nothing" in said.stderr
    assert old not in said.stdout + said.stderr


async def test_secrets_need_an_installation(burnish: Commands, tmp_path: Path) -> None:
    burnish.environment["BURNISH_HOME"] = str(tmp_path / "nowhere")
    assert "no installation" in (await burnish("secrets", "rotate", code=1)).stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "COMPREPLY"), ("zsh", "#compdef burnish"), ("fish", "complete --command burnish")]
)
async def test_completion_scripts_are_printed(burnish: Commands, shell: str, mark: str) -> None:
    assert mark in (await burnish("completion", shell)).stdout
    await burnish("completion", "csh", code=2)


async def test_commands_options_words_and_ids_are_completed(burnish: Commands, server: Server, pair: Path) -> None:
    key = await burnish.json("ssh-keys", "add", "laptop", "-i", "id")
    row = await things.queued_deployment(server)
    assert {"create", "list", "revoke"} <= set(await completed(burnish, "keys", ""))
    assert "--expires-in" in await completed(burnish, "keys", "create", "--ex")
    assert await completed(burnish, "keys", "create", "x", "--scope", "r") == ["read"]
    assert await completed(burnish, "integrations", "set", "h") == ["huggingface"]
    assert await completed(burnish, "ssh-keys", "delete", "") == [key["id"]]
    assert await completed(burnish, "deploy", "show", "dep") == [row.id]
    burnish.environment = without(burnish.environment, "BURNISH_API_KEY")
    assert await completed(burnish, "ssh-keys", "delete", "") == []


async def completed(burnish: Commands, *words: str) -> list[str]:
    """Return what bash is offered after these words."""
    asked = {"_BURNISH_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["burnish", *words]), "COMP_CWORD": str(len(words))}
    kept = burnish.environment
    burnish.environment = {**kept, **asked}
    try:
        child = burnish.start()
    finally:
        burnish.environment = kept
    out, err = await wait(child)
    assert err == "", err
    return out.split()


async def wait(child: "subprocess.Popen[str]") -> tuple[str, str]:
    return await anyio.to_thread.run_sync(child.communicate)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("12H", 43200), ("30d", 2592000), ("2w", 1209600)]
)
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert durations.seconds(text, "--flag") == seconds
    with pytest.raises(CliError, match="--flag: '1x' is no length"):
        durations.seconds("1x", "--flag")


def test_moments_are_given_or_so_long_ago() -> None:
    assert durations.moment("2026-01-31T09:00:00+00:00", "--since") == "2026-01-31T09:00:00Z"
    assert durations.moment("7d", "--since").endswith("Z")
    assert durations.moment("2026-01-31", "--since")[:4] == "2026"
