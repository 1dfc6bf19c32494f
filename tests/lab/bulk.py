"""Beside the lab's traffic: downloads that go on, some ten thousand packets a second. Runs in the clients' namespace.

usage: bulk.py SECONDS
"""
import asyncio
import sys
import time

import services

STREAMS = 3
PIECE = 4_000_000  # bytes of one answer
SERVICE = next(service for service in services.HEALTHY if service.name == "download")


async def stream(until):
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection(services.PUBLIC, SERVICE.port, local_addr=(services.CLIENTS[0], 0))
            while time.monotonic() < until:
                writer.write(b"0 %d\n" % PIECE)
                await reader.readexactly(PIECE)
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.1)


async def main():
    until = time.monotonic() + float(sys.argv[1])
    await asyncio.gather(*(stream(until) for _ in range(STREAMS)))


asyncio.run(main())
