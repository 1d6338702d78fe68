"""admin.py - what tests of the admin room share: a server with one, and requests to it."""

import http.client
import json
import re
import socket
import unittest

from harness import Receiver, Server, wait_until

RULES = 'return function(msg) return "%s/in" end'


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class AdminCase(unittest.TestCase):
    def serve(self, admin="", answer=lambda post: 200, more="", listen='"127.0.0.1:0"'):
        self.receiver = Receiver(answer)
        self.addCleanup(self.receiver.close)
        self.server = Server({"10.lua": RULES % self.receiver.url}, start=False)
        self.addCleanup(self.server.close)
        self.socket = self.server.folder + "/admin.sock"
        with open(self.server.config, "a") as file:
            file.write('admin = { listen = { "unix:%s", %s }, %s }\ndeliver = { attempts = 1 }\n'
                       'history = { subjects = true, bodies = "all" }\n%s\n' % (self.socket, listen, admin, more))
        self.server.start()
        self.addCleanup(lambda: self.server.process.poll() is None and self.assertEqual(self.server.stop(), 0))
        self.port = int(re.search(r"admin-listening address=127.0.0.1:(\d+)", self.server.log()).group(1))
        return self.server

    def ask(self, path, body=None, headers=None, unix=True, method=None):
        connection = Unix(self.socket) if unix else http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.addCleanup(connection.close)
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
        response = connection.getresponse()
        text = response.read()
        self.headers = response.headers
        connection.close()
        return response.status, text.decode()

    def json(self, path, *arguments, **named):
        status, text = self.ask(path, *arguments, **named)
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def raw(self, request, unix=False):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s:
            s.sendall(request.encode("latin-1"))
            answer = b""
            while True:
                try:
                    more = s.recv(65536)
                except ConnectionResetError:
                    break
                if not more:
                    break
                answer += more
        return answer.decode("latin-1")

    def wait_delivered(self, state="delivered", count=1):
        def there():
            status, text = self.ask("/api/v1/history?state=" + state)
            messages = json.loads(text).get("messages", []) if status == 200 else []
            return messages if len(messages) >= count else None
        return wait_until(there, "a message in the history")[0]
