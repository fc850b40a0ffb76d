"""tests/system/lib/proxy.py - TCP links between roles and servers that can be hurt while they are used.

    proxy = Proxy()                    a thread of its own
    link = proxy.link("w0", target)    listens on link.port, connects to the port `target`
    link.delay, link.rate              seconds before each piece; bytes a second
    link.stall("up", "down")           holds what comes, one way or both; nobody is told
    link.reset()                       RST to both ends of every connection
    link.late(keys, seconds)           Kafka: the next request of such a key is kept, its client cut off,
                                       and the request delivered when so many seconds are over
    link.lose(key, pattern, seconds)   Kafka: clients are cut off under each request of such a key in which the
                                       pattern is found, from the first one on for so many seconds
    link.cut_commit()                  PostgreSQL: the next COMMIT reaches the server, its answer nobody
    link.watch(needle, function)       calls it when a client's bytes hold it, before they go on
    link.heal()                        all as it should be, but what is late stays late

"up" is from the client to the server. What a link holds when its client goes away is still delivered:
late, as by a network that kept it. Attributes may be set from any thread.
"""

import asyncio
import random
import re
import socket
import struct
import threading
import time

PRODUCE, METADATA, END_TXN, TXN_OFFSET_COMMIT = 0, 3, 26, 28  # Kafka's api keys
PIECE = 65536
LOOK = 0.02   # seconds between looks at a stalled link
COMMIT = re.compile(rb"(?i)commit\0")


def quiet_port():
    """A free one where no outgoing connection is given its own."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Frames:
    """Where requests begin in the bytes of one Kafka client."""

    def __init__(self):
        self.head, self.left = b"", 0

    def split(self, data):
        """[(api key or None, bytes)]: pieces of requests; a key stands where one begins."""
        pieces = []
        while data:
            if self.left:
                pieces.append((None, data[:self.left]))
                data, self.left = data[self.left:], max(0, self.left - len(data))
                continue
            need = 6 - len(self.head)
            self.head, data = self.head + data[:need], data[need:]
            if len(self.head) == 6:
                size, key = struct.unpack(">ih", self.head)
                pieces.append((key, self.head))
                self.head, self.left = b"", size - 2
        return pieces


class Connection:
    def __init__(self, link, client, server):
        self.link, self.client, self.server = link, client, server
        self.frames = Frames() if link.is_kafka else None
        self.is_late = self.is_silenced = False

    async def pump(self, way, source, sink):
        """One direction, to its end; what was read is delivered first."""
        try:
            while True:
                try:
                    data = await source.read(PIECE)
                except OSError:
                    data = b""
                if not data:
                    break
                if way == "up":
                    await self.up(data, sink)
                elif not self.is_silenced:
                    await self.link.carry(way, data, sink)
            if way == "down" or not self.is_late:
                sink.write_eof()
        except (OSError, RuntimeError):
            abort(self.client)
            if not self.is_late:
                abort(self.server)

    async def up(self, data, sink):
        for needle, function in list(self.link.watches):
            if needle in data and (needle, function) in self.link.watches:
                self.link.watches.remove((needle, function))
                function()
        if not self.frames:
            if self.link.commit_cut and data[:1] != b"P" and COMMIT.search(data):
                self.link.commit_cut = False
                self.is_silenced = True
                self.link.hits += 1
                sink.write(data)
                await sink.drain()
                await asyncio.sleep(0.05)
                abort(self.client)
                return
            await self.link.carry("up", data, sink)
            return
        pieces = self.frames.split(data)
        if self.link.loses({key for key, _ in pieces}, data):
            abort(self.client)
            abort(self.server)
            return
        for key, piece in pieces:
            if key in self.link.late_keys and not self.is_late:
                self.link.late_keys = ()
                self.is_late = self.is_silenced = True
                self.kept = b""
            if not self.is_late:
                await self.link.carry("up", piece, sink)
                continue
            if len(self.kept) < 6 or not self.is_whole():
                self.kept += piece
        if self.is_late and self.is_whole():
            self.link.hits += 1
            seconds, self.link.proxy.lates = self.link.late_seconds, self.link.proxy.lates + 1
            abort(self.client)
            await asyncio.sleep(seconds)
            sink.write(self.kept)
            await sink.drain()
            await asyncio.sleep(1)  # for the server's answer to nobody
            abort(self.server)
            self.link.proxy.lates -= 1

    def is_whole(self):
        size = struct.unpack(">i", self.kept[:4])[0] + 4
        return len(self.kept) >= size


def abort(writer):
    """With RST."""
    handle = writer.get_extra_info("socket")
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except (OSError, AttributeError):
        pass
    writer.transport.abort()


class Link:
    def __init__(self, proxy, name, target, is_kafka):
        self.proxy, self.name, self.target, self.is_kafka = proxy, name, target, is_kafka
        self.port, self.hits, self.watches, self.late_seconds = 0, 0, [], 0
        self.connections = set()
        self.heal()

    def heal(self):
        self.delay, self.rate, self.stalled = 0, 0, ()
        self.late_keys, self.commit_cut, self.watches = (), False, []
        self.lost, self.lost_until = None, None

    def stall(self, *ways):
        self.stalled = ways

    def late(self, keys, seconds):
        self.late_seconds, self.late_keys = seconds, keys

    def lose(self, key, pattern, seconds):
        self.lost, self.lost_until = (key, re.compile(pattern, re.DOTALL), seconds), None

    def loses(self, keys, data):
        if not self.lost or self.lost[0] not in keys or not self.lost[1].search(data):
            return False
        now = time.monotonic()
        self.lost_until = self.lost_until or now + self.lost[2]
        self.hits += now < self.lost_until
        return now < self.lost_until

    def cut_commit(self):
        self.commit_cut = True

    def watch(self, needle, function):
        self.watches.append((needle, function))

    def reset(self):
        def now():
            for connection in list(self.connections):
                abort(connection.client)
                abort(connection.server)
        self.proxy.loop.call_soon_threadsafe(now)

    async def carry(self, way, data, sink):
        if self.delay:
            await asyncio.sleep(self.delay)
        while data:
            while way in self.stalled:
                await asyncio.sleep(LOOK)
            rate = self.rate
            piece, data = (data[:rate // 10], data[rate // 10:]) if rate else (data, b"")
            sink.write(piece)
            await sink.drain()
            if rate:
                await asyncio.sleep(0.1)

    async def serve(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            abort(writer)
            return
        connection = Connection(self, writer, far_writer)
        self.connections.add(connection)
        try:
            await asyncio.gather(connection.pump("up", reader, far_writer),
                                 connection.pump("down", far_reader, writer))
        finally:
            self.connections.discard(connection)
            for end in (writer, far_writer):
                end.close()


class Proxy:
    def __init__(self):
        self.loop, self.links, self.lates = asyncio.new_event_loop(), [], 0
        self.loop.set_exception_handler(lambda *_: None)
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def link(self, name, target, is_kafka):
        link = Link(self, name, target, is_kafka)

        async def listen():
            server = await asyncio.start_server(link.serve, "127.0.0.1", quiet_port())
            return server.sockets[0].getsockname()[1]
        link.port = asyncio.run_coroutine_threadsafe(listen(), self.loop).result()
        self.links.append(link)
        return link

    def heal(self):
        for link in self.links:
            link.heal()
