"""Clients and servers of forwarding.py.

usage: forwarding_traffic.py serve                   the server; says "listening"
       forwarding_traffic.py ask ADDRESS PORT PLAN   the clients; PLAN: JSON, the fields of `Plan`
The clients open the connections that the captures are to miss the beginning of, say "open", wait for a line, and go on with all. At the
end they say how their connections ended, and which they ended with a RST. A request is two numbers of four bytes, how much follows and how much is to be answered.
"""
import asyncio
import collections
import itertools
import json
import os
import random
import signal
import socket
import struct
import sys
from dataclasses import dataclass

CLIENTS = ["198.51.100.%d" % host for host in range(10, 18)]
REQUEST = struct.Struct("!II")
SO_MAX_PACING_RATE, PACE = 47, 400_000  # bytes a second of one connection: what the forwarder copes with
PATIENCE = 12.0  # seconds
SAME_FOR_ALL = b"what all connections of this service have in common. " * 200
randomness = random.Random(7)
ports = itertools.count(20000)  # none is used twice


@dataclass(frozen=True)
class Plan:
    short: int = 250       # connections with a few requests each
    midstream: int = 30    # the same, open before
    bulk: int = 6          # half of them downloads
    bulk_bytes: int = 400_000
    seconds: float = 3.0   # in which the short ones begin
    sources: tuple = tuple(CLIENTS)


def paced(writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, PACE)


def filler(size, own):
    return os.urandom(size) if own else (SAME_FOR_ALL * (size // len(SAME_FOR_ALL) + 1))[:size]


async def serve_one(reader, writer):
    paced(writer)
    own = randomness.random() < 0.5
    try:
        while True:
            comes, goes = REQUEST.unpack(await reader.readexactly(REQUEST.size))
            await reader.readexactly(comes)
            await asyncio.sleep(randomness.expovariate(300))
            writer.write(filler(goes, own))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def serve(port):
    await asyncio.start_server(serve_one, "0.0.0.0", port, backlog=1024)
    print("listening", flush=True)
    await asyncio.Event().wait()


class Client:
    def __init__(self, sources):
        self.sources = sources
        self.own = randomness.random() < 0.5  # whether its bytes are no one else's

    async def open(self, target):
        self.reader, self.writer = await asyncio.open_connection(*target, local_addr=(randomness.choice(self.sources), next(ports)))
        paced(self.writer)

    async def exchange(self, up, down):
        self.writer.write(REQUEST.pack(up, down) + filler(up, self.own))
        await self.writer.drain()
        await self.reader.readexactly(down)

    async def converse(self, requests, pause):
        for _ in range(requests):
            await self.exchange(randomness.randrange(40, 3000), randomness.randrange(40, 6000))
            await asyncio.sleep(randomness.expovariate(1 / pause))

    def close(self, aborted):
        """Now and then with a RST of its own."""
        if randomness.random() < 0.05 and not self.writer.is_closing():
            aborted.append("%s:%d" % self.writer.get_extra_info("sockname"))
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.close()


async def ask(target, plan):
    results, aborted = collections.Counter(), []

    async def live(client, talk, after=0.0):
        await asyncio.sleep(after)
        try:
            if not hasattr(client, "writer"):
                await asyncio.wait_for(client.open(target), PATIENCE)
            await asyncio.wait_for(talk(client), PATIENCE)
            results["ok"] += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            results["closed early"] += 1
        except (asyncio.TimeoutError, OSError):
            results["timeout"] += 1
        finally:
            if hasattr(client, "writer"):
                client.close(aborted)

    async def bulk(client, up):
        for _ in range(plan.bulk_bytes // 100_000):
            await client.exchange(100_000 if up else 40, 40 if up else 100_000)

    def few(client):
        return client.converse(randomness.randrange(1, 7), 0.05)

    def many(client):
        return client.converse(randomness.randrange(4, 12), 0.2)

    early = [Client(plan.sources) for _ in range(plan.midstream)]
    await asyncio.gather(*(client.open(target) for client in early))
    await asyncio.gather(*(client.exchange(500, 500) for client in early))
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    tasks = [live(client, many if turn % 8 else lambda c: bulk(c, False)) for turn, client in enumerate(early)]
    tasks += [live(Client(plan.sources), lambda c, up=turn % 2: bulk(c, up)) for turn in range(plan.bulk)]
    tasks += [live(Client(plan.sources), few, randomness.uniform(0, plan.seconds)) for _ in range(plan.short)]
    await asyncio.gather(*tasks)
    print(json.dumps({"results": results, "aborted": aborted}), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    else:
        asyncio.run(ask((sys.argv[2], int(sys.argv[3])), Plan(**json.loads(sys.argv[4]))))
