"""dying_receiver.py - receivers that die at a byte of their choice: of what they read, of what they write, of the TLS
handshake, of HTTP/1.1 or HTTP/2.

protocol     "http", "https" (HTTP/1.1 over TLS 1.3), "https-1.2" or "h2"
cut          where a connection ends: after so many bytes "in" (read) or "out" (written), as they stand on the wire, or after
             so many bytes of the "answer" within TLS, which close_notify then ends
             or it does not take a client that has no "certificate"
how          "fin": no more is written, what comes is read and forgotten; "close": nothing is read either; "rst"
origin       a receiver on a port of its own: the first of its connections end so, the others are well
"""

import selectors
import socket
import ssl
import struct
import threading

import h2.config
import h2.connection
import h2.events

ANSWER = (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", b"ok")
NO_LINGER = struct.pack("ii", 1, 0)


class Cut:
    def __init__(self, where, at, how, after=0):
        """after: counts from when so many requests of the connection were answered, and its peer has read that."""
        self.where, self.at, self.how, self.after = where, at, how, after

    def __repr__(self):
        return "%s %d %s%s" % (self.where, self.at, self.how, " after %d" % self.after if self.after else "")


class Origin:
    def __init__(self, cut, dying):
        """Its first `dying` connections end by the cut."""
        self.cut, self.dying = cut, dying
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.connections = []

    @property
    def whole(self):
        """Requests that were read to their end, by the connection's number."""
        return [connection.number for connection in self.connections for _ in range(connection.requests)]


class Http1:
    """What is read of a request, and the answer's pieces."""

    def __init__(self):
        self.buffer = b""

    def begin(self):
        return []

    def read(self, data):
        """The pieces to write, each with whether it is the last that an answer's status needs; and how many requests
        were whole."""
        self.buffer += data
        pieces, requests = [], 0
        while b"\r\n\r\n" in self.buffer:
            head, rest = self.buffer.split(b"\r\n\r\n", 1)
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            if len(rest) < length:
                break
            self.buffer = rest[length:]
            requests += 1
            pieces += [(ANSWER[0], True), (ANSWER[1], False)]
        return pieces, requests


class Http2:
    def __init__(self):
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))

    def begin(self):
        self.h2.initiate_connection()
        return [(self.h2.data_to_send(), False)]

    def read(self, data):
        pieces, requests = [], 0
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                requests += 1
                pieces.append((self.h2.data_to_send(), False))
                self.h2.send_headers(event.stream_id, [(":status", "200"), ("content-length", "2")])
                pieces.append((self.h2.data_to_send(), True))
                self.h2.send_data(event.stream_id, b"ok", end_stream=True)
        return pieces + [(self.h2.data_to_send(), False)], requests


class Clear:
    """In place of TLS."""

    ready, flight = True, 0

    def __init__(self):
        self.incoming, self.outgoing = b"", b""

    def feed(self, data):
        self.incoming += data

    def handshake(self):
        pass

    def read(self):
        data, self.incoming = self.incoming, b""
        return data

    def write(self, data):
        self.outgoing += data

    def take(self):
        data, self.outgoing = self.outgoing, b""
        return data

    def end(self):
        pass


class Tls:
    def __init__(self, context):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.ready, self.flight = False, 0  # bytes that the client must have before it can send a request
        self.taken = 0

    def feed(self, data):
        self.incoming.write(data)

    def handshake(self):
        try:
            self.tls.do_handshake()
            self.ready = True
        except ssl.SSLWantReadError:
            pass
        if not self.ready or self.tls.version() == "TLSv1.2":
            self.flight = self.taken + self.outgoing.pending

    def read(self):
        try:
            return self.tls.read(65536)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            return b""

    def write(self, data):
        self.tls.write(data)

    def take(self):
        self.taken += self.outgoing.pending
        return self.outgoing.read()

    def end(self):
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass


class Connection:
    def __init__(self, farm, origin, plain):
        self.farm, self.origin, self.plain = farm, origin, plain
        self.number = len(origin.connections)
        origin.connections.append(self)
        self.cut = origin.cut if self.number < origin.dying else None
        is_strict = self.cut and self.cut.where == "certificate"
        self.tls = Tls(farm.strict if is_strict else farm.context) if farm.context else Clear()
        self.http = Http2() if farm.protocol == "h2" else Http1()
        self.state = "open"  # "draining": no more is written; "closed"
        self.has_ended = False  # by the cut
        self.read = self.written = 0
        self.counted = {"in": 0, "out": 0, "answer": 0}  # those that the cut counts
        self.requests, self.answered, self.began = 0, 0, False
        self.answers_at = []  # bytes written by which each answer's status is all there
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.ends("in"):
            farm.selector.register(plain, selectors.EVENT_READ, self.readable)

    def counts(self, where):
        return self.state == "open" and self.cut and self.cut.where == where and self.answered >= self.cut.after

    def room(self, where, most):
        return min(most, self.cut.at - self.counted[where]) if self.counts(where) else most

    def ends(self, where):
        """Ends the connection if it is time."""
        if not self.counts(where) or self.counted[where] < self.cut.at:
            return self.state != "open"
        self.has_ended = True
        if self.cut.how == "fin":
            self.state = "draining"
            self.plain.shutdown(socket.SHUT_WR)
        else:
            if self.cut.how == "rst":
                self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self.close()
        return True

    def close(self):
        if self.state == "closed":
            return
        self.state = "closed"
        try:
            self.farm.selector.unregister(self.plain)
        except KeyError:
            pass
        self.plain.close()

    def readable(self):
        try:
            data = self.plain.recv(self.room("in", 65536))
            if not data:
                return self.close()
            if self.state == "draining":
                return
            self.process(data)
        except ssl.SSLError:  # it has something to say about that
            self.plain.sendall(self.tls.take())
            self.state = "draining"
        except OSError:
            self.close()

    def process(self, data):
        self.read += len(data)
        if self.counts("in"):
            self.counted["in"] += len(data)
        self.tls.feed(data)
        if not self.tls.ready:
            self.tls.handshake()
            if self.flush():
                return
        if self.tls.ready and not self.began:
            self.began = True
            for piece, _ in self.http.begin():
                self.tls.write(piece)
            if self.flush():
                return
        while self.tls.ready and (text := self.tls.read()):
            pieces, requests = self.http.read(text)
            self.requests += requests
            if self.write(pieces):
                return
            self.answered += requests
        self.ends("in")

    def write(self, pieces):
        """True: the connection has ended."""
        for piece, is_status in pieces:
            if not piece:
                continue
            size = self.room("answer", len(piece))
            if size:
                self.tls.write(piece[:size])
                if self.counts("answer"):
                    self.counted["answer"] += size
            if is_status and size == len(piece):
                self.answers_at.append(self.written + self.pending())
            if self.counts("answer") and self.counted["answer"] >= self.cut.at:
                self.tls.end()
                return self.flush() or self.ends("answer")
            if self.flush():
                return True
        return False

    def pending(self):
        return self.tls.outgoing.pending if self.farm.context else len(self.tls.outgoing)

    def flush(self):
        data = self.tls.take()
        data = data[:self.room("out", len(data))]
        if data:
            self.plain.setblocking(True)
            self.plain.sendall(data)
            self.plain.setblocking(False)
        self.written += len(data)
        if self.counts("out"):
            self.counted["out"] += len(data)
        return self.ends("out")


class Farm:
    """Many origins in one thread."""

    def __init__(self, protocol, certificate, key):
        self.protocol, self.context = protocol, None
        if protocol != "http":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.strict = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.strict.verify_mode = ssl.CERT_REQUIRED
            for context in (self.context, self.strict):
                context.load_cert_chain(certificate, key)
                context.set_alpn_protocols(["h2"] if protocol == "h2" else ["http/1.1"])
                if protocol == "https-1.2":
                    context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.selector, self.origins, self.stopping = selectors.DefaultSelector(), [], False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def add(self, cut, dying=1):
        origin = Origin(cut, dying)
        self.origins.append(origin)
        self.selector.register(origin.listener, selectors.EVENT_READ, lambda: self.accept(origin))
        return origin

    def url(self, origin):
        return "%s://127.0.0.1:%d/" % ("https" if self.context else "http", origin.port)

    def accept(self, origin):
        try:
            plain, _ = origin.listener.accept()
        except OSError:
            return
        Connection(self, origin, plain)

    def run(self):
        while not self.stopping:
            for key, _ in self.selector.select(0.1):
                key.data()

    def start(self):
        self.thread.start()

    def stop(self):
        self.stopping = True
        self.thread.join()
        for origin in self.origins:
            origin.listener.close()
            for connection in origin.connections:
                connection.close()
        self.selector.close()
