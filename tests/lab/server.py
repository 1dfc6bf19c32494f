"""The lab's server: answers "UPLOAD DOWNLOAD\\n" and UPLOAD bytes with DOWNLOAD bytes, as often as asked; echoes datagrams. Runs in its namespace."""
import asyncio
import socket
import struct

import services


def reset(writer):
    """Closes with a RST instead of a FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def answers(service):
    async def answer(reader, writer):
        try:
            while line := await reader.readline():
                uploads, downloads = map(int, line.split())
                await reader.readexactly(uploads)
                if service.resets:
                    reset(writer)
                    return
                writer.write(bytes(downloads))
                await writer.drain()
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()
    return answer


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


async def main():
    for service in services.SERVICES:
        if service.protocol == "udp":
            await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=(services.SERVER, service.server_port))
        elif service.listening:
            address = services.SERVER if service.family == 4 else services.SERVER_6
            await asyncio.start_server(answers(service), address, service.server_port, limit=1 << 20)
    print("listening", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
