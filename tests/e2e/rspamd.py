"""rspamd.py - a real rspamd of its own, without any network, and a scanner that is faulty on purpose."""

import http.server
import json
import os
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.request

import harness
from ports import reserve_port

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
PROGRAM = shutil.which("rspamd", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/sbin")

# No module, no hyperscan and a short list of top-level domains: it starts at once. GTUBE is rspamd's own.
CONFIG = """
options {
  pidfile = "%(folder)s/pid";
  filters = "";
  disable_hyperscan = true;
  url_tld = "%(folder)s/tld";
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1; retransmits = 1; }
}
logging { type = "file"; filename = "%(folder)s/log"; level = "info"; }
worker "normal" { bind_socket = "127.0.0.1:%(port)d"; count = 1; }
actions { reject = 15; add_header = 6; greylist = 4; }
"""


class Rspamd:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mxhook-rspamd-")
        self.port = reserve_port()
        self.url = "http://127.0.0.1:%d" % self.port
        with open(os.path.join(self.folder, "tld"), "w", encoding="ascii") as file:
            file.write("com\ntest\n")
        path = os.path.join(self.folder, "rspamd.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIG % {"folder": self.folder, "port": self.port})
        # -i: workers may run as whoever runs the tests
        self.process = subprocess.Popen([PROGRAM, "-f", "-i", "-c", path], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, cwd=self.folder)
        self.wait()

    def wait(self):
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(self.url + "/ping", timeout=5):
                    return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def answer(score=0.0, action="no action", symbols=None, **more):
    """What rspamd answers."""
    found = {name: {"name": name, "score": value, "options": []} if isinstance(value, (int, float)) else value
             for name, value in (symbols or {}).items()}
    return dict({"is_skipped": False, "score": score, "required_score": 15.0, "action": action, "symbols": found,
                 "messages": {}}, **more)


class RawScanner:
    """Answers each request with these bytes, and closes; with `then` it waits first, until that is set."""

    def __init__(self, content, then=None):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                size = 0
                while (line := self.rfile.readline().strip()):
                    if line.lower().startswith(b"content-length:"):
                        size = int(line.split(b":")[1])
                self.rfile.read(size)
                self.wfile.write(content)
                if then:
                    then.wait(harness.PATIENCE)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a client that has had enough

        self.tcp = Server(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.tcp.server_address[1]
        threading.Thread(target=self.tcp.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.tcp.shutdown()
        self.tcp.server_close()


class Scanner:
    """Answers each request as `reply` says: a function of (headers, body) that gives bytes, a dict (as JSON), or
    (status, bytes). It may sleep. None: it closes without a word."""

    def __init__(self, reply):
        self.requests, self.reply, scanner = [], reply, self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                scanner.requests.append((self.path, self.headers, body))
                scanner.connections.add(self.client_address)
                reply = scanner.reply(self.headers, body)
                if reply is None:
                    self.close_connection = True
                    return
                status, content = reply if isinstance(reply, tuple) else (200, reply)
                if isinstance(content, dict):
                    content = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        self.connections = set()
        self.http = harness.HttpServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
