"""The lab's clients: drives every service at its own steady rate and writes the truth, a JSON line for each connection. Runs in its namespace.

usage: client.py TRUTH SECONDS [FIRST]      FIRST: how many connections runs before this one have made, whose ports are not to come again

Ends after SECONDS (0: on a signal), and not before what it began has ended
"""
import asyncio
import itertools
import json
import signal
import socket
import struct
import sys
import time

import services

PATIENCE = 4.0  # seconds; the SYNs of a Linux client go out at 0, 1, 2 and 3 (with older kernels at 0, 1 and 3)
RESET_PATIENCE = 1.0  # seconds, for the answer that a not forwarded RST leaves out
turns = itertools.count(int(sys.argv[3]) if len(sys.argv) > 3 else 0)


def fresh_socket(service):
    """Each connection has a source port of its own: none is used twice in a run (40,000 of them)."""
    turn = next(turns)
    kind = socket.SOCK_DGRAM if service.protocol == "udp" else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET if service.family == 4 else socket.AF_INET6, kind)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    address = services.CLIENTS[turn % len(services.CLIENTS)] if service.family == 4 else services.CLIENT_6
    sock.bind((address, 20000 + turn % 40000))
    return sock


async def receive(loop, sock, size):
    while size > 0:
        data = await loop.sock_recv(sock, min(size, 1 << 18))
        if not data:
            raise ConnectionError("closed early")
        size -= len(data)


async def converse(service, sock, target):
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, target)
    for request in range(service.requests):
        if request > 0:
            await asyncio.sleep(service.pause)
        if service.protocol == "udp":
            await loop.sock_sendall(sock, b"marco %d" % request)
            await loop.sock_recv(sock, 2048)
            continue
        await loop.sock_sendall(sock, b"%d %d\n" % (service.uploads, service.downloads) + bytes(service.uploads))
        await receive(loop, sock, service.downloads)


async def connect(service, truth):
    target = ((services.PUBLIC, services.SERVER) if service.family == 4 else (services.PUBLIC_6, services.SERVER_6))[not service.translated]
    target = (target, service.port)
    patience = RESET_PATIENCE if service.resets else PATIENCE + service.requests * service.pause
    if service.uploads + service.downloads > 100_000:
        patience = 30.0  # lost segments cost time, and a busy machine too
    sock = fresh_socket(service)
    client = sock.getsockname()
    began = time.time()
    try:
        await asyncio.wait_for(converse(service, sock, target), patience)
        result = "ok"
    except asyncio.TimeoutError:
        result = "timeout"
    except ConnectionRefusedError:
        result = "refused"
    except OSError as error:
        result = str(error)
    if service.resets:  # the server forgot the connection; a FIN would be answered by RSTs that are not forwarded either
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    record = {"service": service.name, "protocol": service.protocol, "client": client[:2], "server": target,
              "began": began, "ended": time.time(), "result": result}
    truth.write(json.dumps(record) + "\n")
    truth.flush()


async def drive(service, offset, truth, ending, begun):
    loop = asyncio.get_running_loop()
    start = loop.time() + offset
    for turn in itertools.count():
        try:
            await asyncio.wait_for(ending.wait(), max(0.0, start + turn * service.period - loop.time()))
            return
        except asyncio.TimeoutError:
            task = asyncio.ensure_future(connect(service, truth))
            begun.add(task)
            task.add_done_callback(begun.discard)


async def main():
    path, seconds = sys.argv[1], float(sys.argv[2])
    ending, begun = asyncio.Event(), set()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    if seconds > 0:
        loop.call_later(seconds, ending.set)
    with open(path, "w", encoding="utf-8") as truth:
        # Services start one after the other, so that nothing beats in step.
        await asyncio.gather(*(drive(service, 0.013 * index, truth, ending, begun) for index, service in enumerate(services.SERVICES)))
        await asyncio.gather(*begun)


asyncio.run(main())
