"""pg_clock.py - stands between a node and PostgreSQL, and notes how long each batch took, as the node sees it.

A batch is what ends with one Sync: from its first byte to the server's ReadyForQuery. The bytes pass as they are."""

import collections
import struct
import threading
import time

from link import Link

Batch = collections.namedtuple("Batch", "sql seconds rows")  # sql: its first statement; rows: that each command changed or read


class Clock(Link):
    """For connections without TLS (sslmode=disable gssencmode=disable)."""

    def __init__(self, to):
        self.lock, self.batches = threading.Lock(), []
        super().__init__(to)

    def take(self):
        """What was noted since the last call."""
        with self.lock:
            batches, self.batches = self.batches, []
        return batches

    def watch(self):
        under_way = collections.deque()  # [first statement, when it began, rows of each command]
        return Requests(under_way).read, Answers(under_way, self.note).read

    def note(self, batch):
        with self.lock:
            self.batches.append(batch)


class Messages:
    """Cuts a stream of the protocol's messages."""

    typed = True

    def __init__(self, under_way):
        self.under_way, self.buffer = under_way, bytearray()

    def read(self, data):
        self.buffer += data
        while len(self.buffer) >= 4 + self.typed:
            size, = struct.unpack_from("!i", self.buffer, 1 if self.typed else 0)
            end = size + self.typed
            if len(self.buffer) < end:
                return
            kind = bytes(self.buffer[:1]) if self.typed else b""
            self.message(kind, memoryview(self.buffer)[4 + self.typed:end])
            self.typed = True
            del self.buffer[:end]


class Requests(Messages):
    typed = False  # the first one

    def __init__(self, under_way):
        super().__init__(under_way)
        self.first = None

    def message(self, kind, body):
        if kind == b"P" and not self.first:
            text = bytes(body[:4000]).split(b"\0")[1].decode("latin-1")
            self.first = [text, time.monotonic(), []]
        elif kind == b"S" and self.first:
            self.under_way.append(self.first)
            self.first = None
        body.release()


class Answers(Messages):
    def __init__(self, under_way, note):
        super().__init__(under_way)
        self.note = note

    def message(self, kind, body):
        if kind == b"C" and self.under_way:
            last = bytes(body).rstrip(b"\0").split()[-1]
            self.under_way[0][2].append(int(last) if last.isdigit() else 0)
        elif kind == b"Z" and self.under_way:
            sql, began, rows = self.under_way.popleft()
            self.note(Batch(sql, time.monotonic() - began, rows))
        body.release()
