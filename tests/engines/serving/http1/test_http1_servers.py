"""The gateway's client against servers that are not ours, through TLS, and by name and IPv6."""

import asyncio
import datetime
import ipaddress
import json
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engines.serving import upstream as adopted
from engines.serving.http1 import Client, Response, Unanswered, Unreachable
from tests.engines.serving.http1.wire import Peer, always, chunked, scripted, sockets, whole
from tests.engines.serving.upstream import Upstream, event

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
BODY = b'{"model":"model"}'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ca.pem`, and `server.pem` that it has signed for localhost and 127.0.0.1."""
    folder = tmp_path_factory.mktemp("authority")
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of a test")])
    now = datetime.datetime.now(datetime.UTC)

    def certificate(subject: x509.Name, of: ec.EllipticCurvePublicKey, extensions: list[x509.ExtensionType]) -> bytes:
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca)
            .public_key(of)
            .serial_number(x509.random_serial_number())
        )
        made = made.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        for extension in extensions:
            made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return made.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    known = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    (folder / "ca.pem").write_bytes(
        certificate(ca, ca_key.public_key(), [x509.BasicConstraints(ca=True, path_length=None), known, usage])
    )
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)
    pem = certificate(x509.Name([]), key.public_key(), [names, issuer])
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + pem)
    return folder


@pytest.fixture
def served_tls(authority: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority / "server.pem")
    return context


@pytest.fixture
async def trusting(authority: Path) -> AsyncIterator[Client]:
    made = Client(tls=ssl.create_default_context(cafile=authority / "ca.pem"), idle_s=0.5)
    yield made
    await made.close()


async def until_closed(peer: Peer) -> None:
    await asyncio.wait_for(peer.left.wait(), 10)


async def test_uvicorn_answers_whole(upstream: Upstream, client: Client) -> None:
    content = {"choices": [{"text": "x" * 200_000}]}
    upstream.answer = upstream.whole(content)
    for _ in range(3):
        answer = await client.post(upstream.url, CHAT, BODY)
        assert (answer.status, answer.headers[b"content-type"]) == (200, b"application/json")
        assert json.loads(await answer.read()) == content
    assert upstream.bodies == [{"model": "model"}] * 3
    assert len(upstream.connections) == 1
    assert (await client.get(upstream.url, "/health")).status == 200
    assert (await client.get(upstream.url, "/nothing")).status == 404


async def test_uvicorn_streams(upstream: Upstream, client: Client) -> None:
    events = [event({"number": number}) for number in range(50)]
    upstream.answer = upstream.stream(*events)
    for _ in range(2):
        answer = await client.post(upstream.url, CHAT, BODY)
        assert answer.headers[b"content-type"].startswith(b"text/event-stream")
        assert b"".join([piece async for piece in iter_chunks(answer)]) == b"".join(events)
    assert len(upstream.connections) == 1


async def iter_chunks(answer: Response) -> AsyncIterator[bytes]:
    while piece := await answer.chunk():
        yield piece


async def test_uvicorn_hears_that_a_reader_is_gone(upstream: Upstream, client: Client) -> None:
    upstream.answer = upstream.stalling(b"data: 1\n\n")
    answer = await client.post(upstream.url, CHAT, BODY)
    assert await answer.chunk() == b"data: 1\n\n"
    answer.close()
    await asyncio.wait_for(upstream.left.wait(), 10)


async def test_uvicorn_hears_that_a_caller_was_cancelled(upstream: Upstream, client: Client) -> None:
    upstream.answer = upstream.silent()
    asking = asyncio.ensure_future(client.post(upstream.url, CHAT, BODY))
    while not upstream.bodies:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait_for(upstream.left.wait(), 10)


async def test_a_uvicorn_that_started_anew_is_found_again(upstream: Upstream, client: Client) -> None:
    upstream.answer = upstream.whole({})
    port = int(upstream.url.rpartition(":")[2])
    assert await (await client.post(upstream.url, CHAT, BODY)).read() == b"{}"
    await upstream.stop()
    with pytest.raises(Unreachable):
        await client.post(upstream.url, CHAT, BODY)
    await upstream.start(port)
    assert await (await client.post(upstream.url, CHAT, BODY)).read() == b"{}"


async def test_tls_is_spoken_and_its_connections_are_used_again(trusting: Client, served_tls: ssl.SSLContext) -> None:
    async with scripted(always(whole(b"x" * 300_000)), tls=served_tls) as server:
        for base in (server.base, server.base.replace("127.0.0.1", "localhost")):
            for _ in range(3):
                assert await (await trusting.post(base, CHAT, b"y" * 300_000)).read() == b"x" * 300_000
        assert [len(peer.requests) for peer in server.peers] == [3, 3]


async def test_a_slow_reader_holds_a_tls_server_back(trusting: Client, served_tls: ssl.SSLContext) -> None:
    async with (
        scripted(always(chunked(*[b"x" * 50_000] * 200)), tls=served_tls) as server,
        scripted(always(whole(b"Hi"))) as other,
    ):
        answer = await trusting.post(server.base, CHAT, BODY)
        lengths = []
        while piece := await answer.chunk():
            lengths.append(len(piece))
            assert await (await trusting.post(other.base, CHAT, BODY)).read() == b"Hi"
        assert sum(lengths) == 10_000_000
        assert max(lengths) < 1_000_000


async def test_a_stranger_s_certificate_is_refused(client: Client, trusting: Client, served_tls: ssl.SSLContext) -> None:
    async with scripted(always(whole(b"Hi")), tls=served_tls) as server:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await client.post(server.base, CHAT, BODY)
    async with scripted(always(whole(b"Hi")), tls=served_tls, host="127.0.0.2") as elsewhere:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await trusting.post(elsewhere.base, CHAT, BODY)
    assert server.requests == elsewhere.requests == []


async def test_whoever_adopts_is_told_what_is_wrong_with_a_certificate(served_tls: ssl.SSLContext) -> None:
    async with scripted(always(whole(b"Hi")), tls=served_tls) as server, httpx2.AsyncClient(trust_env=False) as asking:
        with pytest.raises(adopted.Unanswered) as told:
            await adopted.Upstream(server.base).models(asking)
    assert str(told.value).startswith("it cannot be reached (its certificate is refused: ")
    assert server.requests == []


async def test_a_tls_reader_that_leaves_is_noticed(trusting: Client, served_tls: ssl.SSLContext) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(chunked(b"Hi")[:-5])
        await peer.gone()

    async with scripted(script, tls=served_tls) as server:
        answer = await trusting.post(server.base, CHAT, BODY)
        assert await answer.chunk() == b"Hi"
        answer.close()
        await until_closed(server.peers[0])
        reading = asyncio.ensure_future((await trusting.post(server.base, CHAT, BODY)).read())
        await asyncio.sleep(0)
        reading.cancel()
        await until_closed(server.peers[1])


async def test_nothing_is_left_of_a_storm_through_tls(trusting: Client, served_tls: ssl.SSLContext) -> None:
    rng = random.Random(7)
    answers = [
        whole(b"Hi"),
        whole(b"x" * 300_000),
        chunked(b"a", b"b" * 70_000),
        whole(b"Hi", b"connection: close"),
        b"garbage\r\n",
    ]

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            answer = rng.choice(answers)
            if rng.random() < 0.3:
                await peer.say(answer[: rng.randrange(len(answer))])
                return
            await peer.say(answer)

    async def many(base: str) -> None:
        for _ in range(12):
            asking = asyncio.ensure_future(once(base))
            if rng.random() < 0.4:
                for _ in range(rng.randrange(40)):
                    await asyncio.sleep(0)
                asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            if not asking.cancelled() and (error := asking.exception()) is not None:
                assert isinstance(error, Unanswered)

    async def once(base: str) -> None:
        answer = await trusting.post(base, CHAT, BODY)
        await answer.chunk()
        answer.close()

    before = sockets()
    async with scripted(script, tls=served_tls) as server:
        await asyncio.gather(*(many(server.base) for _ in range(6)))
        await trusting.close()
    async with asyncio.timeout(10):
        while sockets() > before:
            await asyncio.sleep(0)


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
async def test_an_ipv6_address_is_reached(client: Client) -> None:
    async with scripted(always(whole(b"Hi")), host="[::1]") as server:
        assert await (await client.post(server.base, CHAT, BODY)).read() == b"Hi"
        assert f"\r\nhost: {server.base.removeprefix('http://')}\r\n".encode() in server.requests[0]


async def test_a_name_is_looked_up(client: Client) -> None:
    """Also where its first address is one that nobody listens at."""
    async with scripted(always(whole(b"Hi")), name="localhost") as server:
        assert await (await client.post(server.base, CHAT, BODY)).read() == b"Hi"
