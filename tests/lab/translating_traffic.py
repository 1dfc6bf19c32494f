"""Clients and servers of translating.py that speak UDP. (Those of TCP are forwarding_traffic.py's.)

usage: translating_traffic.py serve FOLDER ADDRESS   the servers; say "listening"; when stopped they write served.json
       translating_traffic.py ask FOLDER PLAN        the clients; PLAN: JSON, the fields of `Plan`; they write asked.json
Either file: of each conversation its two ends and what this end has sent, when, and received, as the digests of the payloads. Conversations
that the captures are to miss the beginning of begin first; then the clients say "open", wait for a line, and go on with all.
"""
import asyncio
import collections
import hashlib
import itertools
import json
import os
import random
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SO_NO_CHECK = 11
PATIENCE = 1.0  # seconds for an answer
SAME_FOR_ALL = b"<134>1 - host.example daemon - - - a line that many hosts write, and many times; "
randomness = random.Random(11)
ports = itertools.count(20000)  # none is used twice
conversations = []
streams = {}  # the servers': the task that answers a peer of its own accord


@dataclass(frozen=True)
class Service:
    name: str
    port: int
    share: float             # of the conversations
    midstream: bool = False  # some have begun before the captures


SERVICES = [
    Service("time", 123, 0.35),
    Service("calls", 5060, 0.25, midstream=True),
    Service("lines", 514, 0.15, midstream=True),
    Service("unsummed", 4000, 0.05, midstream=True),
    Service("names", 53, 0.2),
]


@dataclass(frozen=True)
class Plan:
    target: tuple                # by service: the address that is asked
    sources: tuple               # the clients' addresses
    services: tuple
    seconds: float = 10.0
    rate: float = 30.0           # conversations a second
    idle: float = 0.0            # seconds of silence in the middle of half of the calls and lines
    large: bool = False          # some calls of more than a link's MTU
    names: int = 0               # different names that are asked; 0: each time another


def digest(payload):
    return hashlib.sha256(payload).hexdigest()[:16]


class Conversation:
    def __init__(self, service, own, peer):
        self.service, self.own, self.peer = service, own, peer
        self.sent, self.received = [], []
        conversations.append(self)

    def record(self):
        return {"service": self.service, "own": "%s:%d" % self.own, "peer": "%s:%d" % self.peer, "sent": self.sent, "received": self.received}


def write(path):
    path.write_text(json.dumps([conversation.record() for conversation in conversations]))


def open_socket(source, service, peer=None):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    if service == "unsummed":
        sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    sock.bind(source)
    if peer:
        sock.connect(peer)
    return sock


class Server(asyncio.DatagramProtocol):
    def __init__(self, service, own):
        self.service, self.own, self.known = service, own, {}

    def connection_made(self, transport):
        self.transport = transport

    def send(self, conversation, payload):
        conversation.sent.append((time.time(), digest(payload)))
        self.transport.sendto(payload, conversation.peer)

    def datagram_received(self, data, address):
        if address not in self.known:
            self.known[address] = Conversation(self.service, self.own, address)
        conversation = self.known[address]
        conversation.received.append(digest(data))
        if self.service == "time":
            self.send(conversation, data[:24] + struct.pack("!QQQ", *(randomness.getrandbits(64) for _ in range(3))))
        elif self.service == "calls":
            asyncio.get_running_loop().call_later(randomness.expovariate(100), self.send, conversation, b"SIP/2.0 100 " + os.urandom(randomness.randrange(150, 600)))
            if randomness.random() < 0.3:  # and something of its own
                asyncio.get_running_loop().call_later(randomness.uniform(0.05, 0.2), self.send, conversation, b"NOTIFY " + os.urandom(randomness.randrange(100, 900)))
        elif self.service == "unsummed":
            self.send(conversation, b"\x80" + os.urandom(159))


async def serve(folder, address):
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    for service in SERVICES:
        if service.name != "names":  # dnsmasq has them
            own = (address, service.port)
            await loop.create_datagram_endpoint(lambda name=service.name, own=own: Server(name, own), sock=open_socket(own, service.name))
    print("listening", flush=True)
    await ending.wait()
    write(folder / "served.json")


class Client:
    """One socket; half of them are connected, which is what gives their datagrams an IP ID."""

    def __init__(self, plan, service):
        self.plan, self.service, self.turn = plan, service, next(ports)
        self.peer = (plan.target[service.name], service.port)
        self.source = (randomness.choice(plan.sources), self.turn)
        self.connected = randomness.random() < 0.5
        self.sock = open_socket(self.source, service.name, self.peer if self.connected else None)
        self.conversation = Conversation(service.name, self.source, self.peer)
        asyncio.get_running_loop().add_reader(self.sock, self.receive)
        self.came = asyncio.Event()

    def receive(self):
        try:
            while True:
                self.conversation.received.append(digest(self.sock.recv(65536)))
                self.came.set()
        except BlockingIOError:
            pass
        except OSError:
            pass  # an ICMP error

    def send(self, payload):
        self.conversation.sent.append((time.time(), digest(payload)))
        try:
            self.sock.send(payload) if self.connected else self.sock.sendto(payload, self.peer)
        except OSError:
            self.conversation.sent.pop()

    async def answered(self):
        try:
            await asyncio.wait_for(self.came.wait(), PATIENCE)
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            self.came.clear()

    async def ask(self, payload):
        """Again, as resolvers do: the same question."""
        for _ in range(3):
            self.send(payload())
            if await self.answered():
                return

    def close(self):
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()

    async def time(self, begun):
        await self.ask(lambda: b"\x23" + bytes(39) + struct.pack("!Q", randomness.getrandbits(64)))

    async def names(self, begun):
        number = randomness.randrange(self.plan.names) if self.plan.names else self.turn
        label = b"h%d" % number
        question = struct.pack("!HHHHHH", randomness.randrange(1 << 16), 0x0100, 1, 0, 0, 0) + bytes([len(label)]) + label + b"\3lab\7example\0" + struct.pack("!HH", 1, 1)
        await self.ask(lambda: question)

    async def pause(self, turn, turns):
        if self.plan.idle and turn == turns // 2 and self.turn % 2:
            await asyncio.sleep(self.plan.idle)
        else:
            await asyncio.sleep(randomness.expovariate(8))

    async def calls(self, begun):
        turns = randomness.randrange(8, 25)
        for turn in range(turns):
            size = randomness.randrange(1600, 4000) if self.plan.large and randomness.random() < 0.2 else randomness.randrange(200, 1200)
            self.send(b"INVITE sip:lab.example " + os.urandom(size))
            await self.pause(turn, turns)
            if turn == 2 and begun:
                await begun()

    async def lines(self, begun):
        turns = randomness.randrange(5, 30)
        for turn in range(turns):
            self.send(SAME_FOR_ALL * randomness.randrange(1, 4) if randomness.random() < 0.3 else SAME_FOR_ALL + b"%d" % randomness.getrandbits(40))
            await self.pause(turn, turns)
            if turn == 2 and begun:
                await begun()

    async def unsummed(self, begun):
        for turn in range(60):
            self.send(b"\x80" + os.urandom(159))
            await asyncio.sleep(0.02)
            if turn == 2 and begun:
                await begun()

    async def live(self, begun=None):
        await getattr(self, self.service.name)(begun)
        await asyncio.sleep(PATIENCE)
        self.close()


class Gate:
    """Holds the conversations that have begun until the captures run."""

    def __init__(self):
        self.opened, self.waiting = asyncio.Event(), 0

    async def __call__(self):
        self.waiting += 1
        await self.opened.wait()


async def ask(folder, plan):
    services = [service for service in SERVICES if service.name in plan.services]
    gate = Gate()
    early = [service for service in services if service.midstream for _ in range(6)]
    tasks = [asyncio.ensure_future(Client(plan, service).live(gate)) for service in early]
    while gate.waiting < len(early):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)  # for what is under way
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    gate.opened.set()
    loop = asyncio.get_running_loop()
    until = loop.time() + plan.seconds
    while loop.time() < until:
        service, = randomness.choices(services, [service.share for service in services])
        tasks.append(asyncio.ensure_future(Client(plan, service).live()))
        await asyncio.sleep(randomness.expovariate(plan.rate))
    await asyncio.gather(*tasks)
    write(folder / "asked.json")
    print(json.dumps(collections.Counter(conversation.service for conversation in conversations)), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(Path(sys.argv[2]), sys.argv[3]))
    else:
        asyncio.run(ask(Path(sys.argv[2]), Plan(**json.loads(sys.argv[3]))))
