"""http2_receiver.py - an HTTP/2 receiver (RFC 9113) over TLS that answers, resets streams and goes away as it
is told. Frames are read and written by Debian's python3-h2.

answer(request) is called when a request is whole, and says what to do with it:
  200                         this status
  ("reset", code)             RST_STREAM with that error code
  ("goaway", last, status)    GOAWAY that names `last` as the last stream taken (None: this one), then, where there
                              is a status, the answer; the connection is closed when its last stream has ended
  ("close",)                  the connection is closed without a word
"""

import socket
import ssl
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.settings


class Request:
    def __init__(self, connection, stream):
        self.connection, self.stream = connection, stream  # both count from 1
        self.headers, self.body = {}, b""
        self.time = time.monotonic()

    @property
    def id(self):
        return self.headers.get("webhook-id")

    @property
    def path(self):
        return self.headers[":path"]


class Http2Receiver:
    def __init__(self, certificate, key, answer=lambda request: 200, max_streams=100, headers=(), hold=1, early=None):
        """max_streams: SETTINGS_MAX_CONCURRENT_STREAMS. hold: answers come for so many requests of a connection together.
        early: (status, reset), instead of answer: so each is answered once its head is here, and no byte of a body is taken
        any more; with RST_STREAM (NO_ERROR) after the answer (RFC 9113 section 8.1), or without."""
        self.early = early
        self.answer, self.max_streams, self.headers = answer, max_streams, list(headers)
        self.hold = hold
        self.requests, self.connections, self.most_streams = [], 0, 0
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.set_alpn_protocols(["h2"])
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = "https://127.0.0.1:%d" % self.port
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.append(plain)
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        try:
            with self.context.wrap_socket(plain, server_side=True) as tls:
                with self.lock:
                    self.connections += 1
                    number = self.connections
                Connection(self, tls, number).run()
        except OSError:
            pass  # the client, or close(), has broken it off


class Connection:
    def __init__(self, receiver, tls, number):
        self.receiver, self.tls, self.number = receiver, tls, number
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams, self.held, self.to_reset, self.going_away = {}, [], [], False

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.tls.sendall(data)

    def run(self):
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values={
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.receiver.max_streams})
        self.h2.initiate_connection()
        self.flush()
        while not (self.going_away and not self.streams):
            data = self.tls.recv(65536)
            if not data:
                return
            for event in self.h2.receive_data(data):
                if not self.handle(event):
                    return
            self.flush()

    def handle(self, event):
        """False: the connection is to be closed."""
        if isinstance(event, h2.events.RequestReceived):
            self.streams[event.stream_id] = request = Request(self.number, event.stream_id)
            request.headers = dict(event.headers)
            with self.receiver.lock:
                self.receiver.most_streams = max(self.receiver.most_streams, len(self.streams))
            if self.receiver.early:
                self.answer_early(request, *self.receiver.early)
        elif isinstance(event, h2.events.PingAckReceived):
            self.h2.reset_stream(self.to_reset.pop(0), 0)
        elif self.receiver.early:
            pass
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.stream_id in self.streams:
                self.streams[event.stream_id].body += event.data
        elif isinstance(event, h2.events.StreamEnded) and event.stream_id in self.streams:
            self.held.append(self.streams[event.stream_id])
            if len(self.held) >= self.receiver.hold:
                held, self.held = self.held, []
                return all([self.respond(request) for request in held])
        elif isinstance(event, h2.events.StreamReset):
            self.streams.pop(event.stream_id, None)
        return True

    def answer_early(self, request, status, reset):
        with self.receiver.lock:
            self.receiver.requests.append(request)
        self.send(request.stream, status)
        if reset:  # once the answer was read: Debian 12's libcurl loses one that comes in one read with the stream's end
            self.to_reset.append(request.stream)
            self.h2.ping(b"answered")

    def respond(self, request):
        with self.receiver.lock:
            self.receiver.requests.append(request)
        what = self.receiver.answer(request)
        del self.streams[request.stream]
        if isinstance(what, int):
            self.send(request.stream, what)
        elif what[0] == "reset":
            self.h2.reset_stream(request.stream, what[1])
        elif what[0] == "goaway":
            _, last, status = what
            self.h2.close_connection(0, last_stream_id=request.stream if last is None else last)
            self.going_away = True
            if status:
                self.h2.state_machine.state = h2.connection.ConnectionState.SERVER_OPEN  # it may still answer
                self.send(request.stream, status)
            self.flush()
        return what != ("close",)

    def send(self, stream, status):
        self.h2.send_headers(stream, [(":status", str(status))] + self.receiver.headers)
        self.h2.send_data(stream, b"ok", end_stream=True)
