"""Clients and servers of proxies.py.

usage: proxies_traffic.py serve FOLDER                 servers on their ports; writes served.jsonl
       proxies_traffic.py relay FOLDER                 a proxy that keeps the end of some answers; writes cut.jsonl
       proxies_traffic.py ask FOLDER SECONDS RATE      clients of every row of plan.json; writes asked.jsonl
"""
import asyncio
import itertools
import json
import random
import signal
import ssl
import sys
import time
from pathlib import Path

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.exceptions
except ImportError:
    h2 = None  # proxies.py leaves out what needs it

from proxies import BANNER, BEHIND_2, CLIENTS, CLIENTS_6, CLOSING, HTTP, HTTP_2, POOLED, PROXY, PROXY_6, RAW, SERVER, TLS, TLS_2

FILLER = b"a greeting that all clients of this service have in common, longer than what is looked at"
numbers = itertools.count(1)
randomness = random.Random(7)


def end(address):
    return ("[%s]:%d" if ":" in address[0] else "%s:%d") % (address[0], address[1])


class Log:
    def __init__(self, path):
        self.file = open(path, "w")

    def add(self, **line):
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()


def raw_message(number, marks):
    """Now and then with bytes of its own at the beginning, as a session or a name would be."""
    return (b"user-%08d " % randomness.randrange(10**8) if marks else b"") + FILLER + b" id=%d " % number + bytes(randomness.randrange(50, 1500)) + b"\n"


async def serve_raw(reader, writer, log, banner, times, closes=False):
    try:
        if banner:
            writer.write(b"220 lab.example ready %08d\r\n" % randomness.randrange(10**8))
        while True:
            line = await reader.readuntil(b"\n")
            if b"id=" not in line:
                continue  # a PROXY header
            number, got = int(line.split(b"id=")[1].split(b" ")[0]), time.time()
            log.add(id=number, peer=end(writer.get_extra_info("peername")))
            await asyncio.sleep(randomness.expovariate(200))
            times.add(id=number, got=got, sent=time.time())
            writer.write(b"answer " + bytes(randomness.randrange(20, 3000)) + b"\n")
            await writer.drain()
            if closes:
                return
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def serve_http(reader, writer, log, times):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            got = time.time()
            number = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"x-id:")), None)
            if number:
                log.add(id=number, peer=end(writer.get_extra_info("peername")))
            await asyncio.sleep(randomness.expovariate(200))
            body = bytes(randomness.randrange(20, 3000))
            times.add(id=number, got=got, sent=time.time())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def serve_http2(reader, writer, log, times):
    """Streams overlap: each is answered when its server is done, whichever came first."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    tasks = set()

    async def answer(stream, number):
        got = time.time()
        await asyncio.sleep(randomness.expovariate(200))
        body = bytes(randomness.randrange(20, 3000))
        if connection.local_flow_control_window(stream) < len(body):
            body = b""
        times.add(id=number, got=got, sent=time.time())
        connection.send_headers(stream, [(":status", "200"), ("content-length", str(len(body)))])
        connection.send_data(stream, body, end_stream=True)
        writer.write(connection.data_to_send())
    try:
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    number = next((int(value) for name, value in event.headers if name in (b"x-id", "x-id")), None)
                    if number:
                        log.add(id=number, peer=end(writer.get_extra_info("peername")))
                    tasks.add(asyncio.create_task(answer(event.stream_id, number)))
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            writer.write(connection.data_to_send())
    except (ConnectionError, h2.exceptions.ProtocolError, asyncio.CancelledError):
        pass
    finally:
        for task in tasks:
            task.cancel()
        writer.close()


async def serve(folder):
    log, times = Log(folder / "served.jsonl"), Log(folder / "served_times.jsonl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    for port, handler, secure in ((RAW, lambda r, w: serve_raw(r, w, log, False, times), None), (CLOSING, lambda r, w: serve_raw(r, w, log, False, times, True), None), (BANNER, lambda r, w: serve_raw(r, w, log, True, times), None),
                                  *((port, lambda r, w: serve_http(r, w, log, times), None) for port in (HTTP, POOLED, BEHIND_2)), (TLS, lambda r, w: serve_http(r, w, log, times), context)):
        await asyncio.start_server(handler, "0.0.0.0", port, ssl=secure, backlog=1024)
    if h2 is not None:
        secure_2 = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure_2.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        secure_2.set_alpn_protocols(["h2"])
        for port, secure in ((HTTP_2, None), (TLS_2, secure_2)):
            await asyncio.start_server(lambda r, w: serve_http2(r, w, log, times), "0.0.0.0", port, ssl=secure, backlog=1024)
    await asyncio.Event().wait()


async def relay(folder):
    log, cut = Log(folder / "cut.jsonl"), itertools.count()

    async def pass_on(reader, writer):
        server_reader, server_writer = await asyncio.open_connection(SERVER, CLOSING)
        try:
            server_writer.write(await reader.readuntil(b"\n"))
            answer = await server_reader.read(-1)
            kept = min(len(answer) - 1, 200) if next(cut) % 4 == 3 else 0
            log.add(client=end(writer.get_extra_info("peername")), kept=kept)
            writer.write(answer[:len(answer) - kept])
            await writer.drain()
            await asyncio.sleep(0.05)  # until all of it is acknowledged
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            server_writer.close()
    await asyncio.start_server(pass_on, "0.0.0.0", 7050, backlog=1024)
    await asyncio.Event().wait()


async def ask_http(reader, writer, row, told, times):
    for request in range(row["requests"]):
        if request:
            await asyncio.sleep(randomness.expovariate(5))
        number = next(numbers)
        told(number)
        sent = time.time()
        writer.write(b"GET /page/%d HTTP/1.1\r\nHost: lab.example\r\nUser-Agent: lab\r\nX-Id: %d\r\n\r\n" % (randomness.randrange(12), number))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        times.add(id=number, sent=sent, got=time.time())
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        if b"connection: close" in head:
            return


async def ask_http2(reader, writer, row, told, times):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    waiting, sent = {}, {}
    for request in range(row["requests"]):
        if request:
            await asyncio.sleep(randomness.expovariate(5))
        for _ in range(row["streams"]):
            stream, number = connection.get_next_available_stream_id(), next(numbers)
            told(number)
            waiting[stream], sent[stream] = number, time.time()
            page = "/page/%d" % randomness.randrange(12)
            connection.send_headers(stream, [(":method", "GET"), (":path", page), (":scheme", "http"), (":authority", "lab.example"), ("user-agent", "lab"), ("x-id", str(number))], end_stream=True)
            writer.write(connection.data_to_send())
        while waiting:
            data = await reader.read(65536)
            if not data:
                return
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    times.add(id=waiting[event.stream_id], sent=sent[event.stream_id], got=time.time())
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    waiting.pop(event.stream_id)
            writer.write(connection.data_to_send())


async def ask_raw(reader, writer, row, told, times):
    if row["speaks"] == "banner":
        await reader.readuntil(b"\n")
    for request in range(row["requests"]):
        number = next(numbers)
        told(number)
        message, sent = raw_message(number, row["speaks"] == "raw"), time.time()
        writer.write(message)
        await reader.readuntil(b"\n")
        times.add(id=number, sent=sent, got=time.time())


ASK = {"http": ask_http, "tls": ask_http, "h2c": ask_http2, "h2": ask_http2, "raw": ask_raw, "banner": ask_raw}


async def connect(row, log, times):
    six = row["family"] == 6
    local = randomness.choice(CLIENTS_6 if six else CLIENTS)
    context = None
    if row["speaks"] in ("tls", "h2"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"] if row["speaks"] == "h2" else ["http/1.1"])
    try:
        reader, writer = await asyncio.open_connection(PROXY_6 if six else PROXY, row["port"], local_addr=(local, 0), ssl=context)
    except OSError:
        return
    client = end(writer.get_extra_info("sockname"))
    told = lambda number: log.add(shape=row["name"], client=client, port=row["port"], id=number)
    try:
        await asyncio.sleep(randomness.expovariate(100))
        await asyncio.wait_for(ASK[row["speaks"]](reader, writer, row, told, times), 15)
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.TimeoutError):
        pass
    finally:
        writer.close()


async def ask(folder, seconds, rate):
    log, times = Log(folder / "asked.jsonl"), Log(folder / "asked_times.jsonl")
    loop = asyncio.get_running_loop()
    tasks = set()

    async def drive(row):
        until = loop.time() + seconds
        while loop.time() < until:
            await asyncio.sleep(randomness.expovariate(rate))
            task = loop.create_task(connect(row, log, times))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    await asyncio.gather(*(drive(row) for row in json.loads((folder / "plan.json").read_text())))
    if tasks:
        await asyncio.wait(tasks, timeout=20)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    work = Path(sys.argv[2])
    asyncio.run({"serve": serve, "relay": relay}[sys.argv[1]](work) if sys.argv[1] != "ask" else ask(work, float(sys.argv[3]), float(sys.argv[4])))
