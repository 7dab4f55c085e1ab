"""`burnish worker`: the one process of a machine that does the work, through children that it owns."""

import asyncio
import signal
import sys

import structlog

from burnish.kit import collecting, logging
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines import actors
from engines.compute import rates
from engines.rewards import selftest
from engines.rewards.jail import rules_of
from engines.supervise import Supervisor

log = structlog.get_logger(__name__)
LISTENER_STOP_MS = 2000
EXIT_SETTINGS = 2


def run(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; must be called on the main thread. Returns the exit code."""
    logging.configure(settings.log_level)
    settings.prepare_home()
    try:
        rates.check(settings)
    except rates.Unreadable as error:
        print(f"burnish worker: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    asyncio.run(_main(settings))
    return 0


async def _main(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    core = Core(settings)
    supervisor = Supervisor(core)
    broker = actors.Broker(settings, supervisor.wake)
    core.sender = broker.send
    listener = broker.worker()
    listener.start()
    collecting.rest()
    work = asyncio.create_task(supervisor.run())
    testing = asyncio.create_task(_test_jail(settings))
    print("burnish worker: ready", file=sys.stderr, flush=True)
    await stopping.wait()
    await supervisor.stop()
    await asyncio.gather(work, testing)
    await asyncio.to_thread(listener.stop, LISTENER_STOP_MS)
    await core.close()


async def _test_jail(settings: Settings) -> None:
    """Log what holds reward code on this host: jobs that need it fail where nothing does."""
    report = await asyncio.to_thread(selftest.run, rules_of(settings))
    if report.protected:
        log.info("reward_jail", walls=report.detail)
    elif report.unusable is None:
        log.warning("reward_jail_unprotected", walls=report.detail)
    else:
        log.error("reward_jail_unusable", reason=report.detail)


if __name__ == "__main__":
    sys.exit(run(Settings()))
