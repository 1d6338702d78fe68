"""link.py - a connection of TCP to 127.0.0.1 that can be slow, and can be cut without anybody being told."""

import socket
import threading
import time


class Link:
    """Listens on `port` and passes on to the port `to`. delay: seconds that everything takes, each way; cut(): nothing passes,
    and nothing is closed, until mend()."""

    def __init__(self, to):
        self.to, self.delay, self.whole, self.closing = to, 0.0, threading.Event(), False
        self.whole.set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def cut(self):
        self.whole.clear()

    def mend(self):
        self.whole.set()

    def close(self):
        self.closing = True
        self.whole.set()
        self.listener.close()

    def listen(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.join, args=(near,), daemon=True).start()

    def join(self, near):
        self.whole.wait()
        try:
            far = socket.create_connection(("127.0.0.1", self.to), timeout=10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for s in (near, far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there, back = self.watch()
        threading.Thread(target=self.carry, args=(far, near, back), daemon=True).start()
        self.carry(near, far, there)

    def watch(self):
        """What is called with the bytes of a connection before they pass, each way."""
        return (lambda data: None), (lambda data: None)

    def carry(self, source, sink, see):
        """Until either side ends; then both do."""
        try:
            while not self.closing:
                data = source.recv(65536)
                if not data:
                    break
                see(data)
                if self.delay:
                    time.sleep(self.delay)
                self.whole.wait()
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
