"""harness.py - the real binary, a real receiver, and what the end-to-end tests need around them.

A test makes a Receiver and a Server, speaks SMTP to 127.0.0.1:server.port, and looks at
receiver.posts. Every wait is bounded; every port is the kernel's choice.
"""

import http.server
import json
import os
import re
import shutil
import signal
import smtplib
import subprocess
import tempfile
import threading
import time
import unittest

MXHOOK = os.environ["MXHOOK"]
# Sanitizers slow everything down; nothing waits this long when it works.
PATIENCE = float(os.environ.get("MXHOOK_PATIENCE", 60))


class TimedOut(AssertionError):
    pass


def wait_until(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise TimedOut("timed out waiting for " + what)


def loopback_certificate(folder):
    """A certificate for 127.0.0.1, which is its own authority, and its key: their paths, in this folder."""
    certificate, key = (os.path.join(folder, name) for name in ("cert.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True, timeout=PATIENCE)
    return certificate, key


class Post:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.id = headers.get("webhook-id")
        self.time = time.monotonic()

    @property
    def json(self):
        return json.loads(self.body.decode("utf-8"))  # not valid UTF-8 or JSON: the test fails


class HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # a client that is killed, or has had enough, breaks its connections


class Receiver:
    """A web server that keeps what it gets. answer(post) gives the status, or (status, headers), or (status, headers,
    body)."""

    def __init__(self, answer=lambda post: 200, ssl_context=None):
        self.posts, self.answer = [], answer
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                post = Post(self.path, self.headers, body)
                receiver.posts.append(post)
                answer = receiver.answer(post)
                parts = answer if isinstance(answer, tuple) else (answer,)
                status, headers, text = parts + ({}, b"")[len(parts) - 1:]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        self.http = HttpServer(("127.0.0.1", 0), Handler)
        if ssl_context:
            self.http.socket = ssl_context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        scheme = "https" if ssl_context else "http"
        self.url = "%s://127.0.0.1:%d" % (scheme, self.port)
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def wait_for(self, count, seconds=PATIENCE):
        wait_until(lambda: len(self.posts) >= count,
                   "%d posts, got %d" % (count, len(self.posts)), seconds)
        return self.posts


# No test asks a name server that it did not start itself.
NO_DNS = "auth = { spf = false, dkim = false, dmarc = false, reverse_name = false }\n"


class Server:
    """mxhook run, in a folder of its own. `config` are lines of mxhook.lua, `rules` file names to texts;
    `launcher` is a command that runs the command that follows it, `program` another binary."""

    def __init__(self, rules, config="", folder=None, start=True, launcher=(), program=MXHOOK):
        self.launcher, self.program = list(launcher), program
        self.folder = folder or tempfile.mkdtemp(prefix="mxhook-e2e-")
        self.process, self.log_path = None, os.path.join(self.folder, "log")
        os.makedirs(os.path.join(self.folder, "rules.d"), exist_ok=True)
        self.write("mxhook.lua", """
            hostname = "mx.test"
            domains = { "example.com" }
            listen = { "127.0.0.1:0" }
            spool = { directory = "spool" }
            """ + ("" if "auth = {" in config else NO_DNS) + config)
        for name, text in rules.items():
            self.write_rule(name, text)
        if start:
            self.start()

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def append(self, text):
        """To the configuration."""
        with open(self.config, "a", encoding="utf-8") as file:
            file.write(text)

    def write_rule(self, name, text):
        self.write(os.path.join("rules.d", name), text)

    @property
    def config(self):
        return os.path.join(self.folder, "mxhook.lua")

    def start(self):
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(self.launcher + [self.program, "run", "--config", self.config],
                                            stderr=log)
        wait_until(lambda: self.logged("started") or self.process.poll() is not None, "the start")
        match = re.search(r" listening .*?address=\S*?:(\d+)(\s|$)", self.log())
        if not match:
            raise AssertionError("not started:\n" + self.log())
        self.port = int(match.group(1))

    def log(self):
        """What this process logged."""
        with open(self.log_path, encoding="utf-8") as file:
            file.seek(self.log_start)
            return file.read()

    def logged(self, event, *parts):
        """The lines of an event that hold all the parts."""
        return [line for line in self.log().splitlines()
                if line.split(" ", 3)[2:3] == [event] and all(part in line for part in parts)]

    def wait_logged(self, event, *parts):
        return wait_until(lambda: self.logged(event, *parts), "log line %s %s" % (event, parts))

    def reload(self):
        """Sends SIGHUP; returns when it has worked or failed."""
        end = os.path.getsize(self.log_path)
        self.process.send_signal(signal.SIGHUP)

        def is_done():
            with open(self.log_path, encoding="utf-8") as file:
                file.seek(end)
                return re.search(r"^\S+ \w+ (not-)?reloaded ", file.read(), re.MULTILINE)

        wait_until(is_done, "the reload")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=PATIENCE):
        """SIGTERM; returns the exit code. A sanitizer's finding makes it other than 0."""
        self.process.terminate()
        return self.process.wait(seconds)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *arguments):
        """Runs a sub-command on this server's configuration."""
        return subprocess.run([self.program, *arguments, "--config", self.config],
                              capture_output=True, text=True, timeout=PATIENCE)

    def smtp(self):
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=PATIENCE)

    def send(self, message, recipients=("hook@example.com",), sender="sender@client.test"):
        with self.smtp() as client:
            return client.sendmail(sender, list(recipients), message)


def mail(subject="A subject", text="Some text.", message_id="one@client.test"):
    return ("From: Sender <sender@client.test>\r\nTo: Hook <hook@example.com>\r\n"
            "Subject: %s\r\nMessage-ID: <%s>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n"
            "\r\n%s\r\n" % (subject, message_id, text)).encode()


class TestCase(unittest.TestCase):
    """Stops every server and receiver, and checks that each server ended well."""

    def receiver(self, *arguments, **named):
        receiver = Receiver(*arguments, **named)
        self.addCleanup(receiver.close)
        return receiver

    def server(self, *arguments, **named):
        server = Server(*arguments, **named)
        self.addCleanup(self.end, server)
        return server

    def end(self, server):
        try:
            if server.process and server.process.poll() is None:
                self.assertEqual(server.stop(), 0, server.log())
        finally:
            server.close()

    def to(self, receiver, path="/"):
        """Rules that send everything to the receiver."""
        return {"10-all.lua": "return function(msg) return '%s%s' end" % (receiver.url, path)}
