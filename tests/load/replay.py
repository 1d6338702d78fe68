#!/usr/bin/python3
"""Measures a replay of the history: many messages that were delivered, to a receiver that takes so many a second.

Usage: replay.py [--messages N] [--rate N] MXHOOK
  --messages N  that were received, and delivered (default 10000)
  --rate N      of `mxhook history replay` (default 200)
Says how long it took, how many came in each second, and whether each came once, with its webhook-id and its bytes of
before. Everything is on loopback and in a folder under /tmp. By hand: it takes minutes.
"""
import argparse
import collections
import hashlib
import http.server
import os
import shutil
import smtplib
import subprocess
import tempfile
import threading
import time

CONFIG = """domains = { "example.com" }  listen = { "127.0.0.1:0" }  spool = { directory = "spool" }
auth = { spf = false, dkim = false, dmarc = false }  history = { bodies = "all" }
"""
SESSIONS = 10


class Receiver(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.posts, self.lock = [], threading.Lock()
        self.url = "http://127.0.0.1:%d/" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            self.server.posts.append((time.monotonic(), self.headers["webhook-id"], hashlib.sha256(body).digest()))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def send(port, numbers):
    with smtplib.SMTP("127.0.0.1", port, timeout=300) as client:
        for number in numbers:
            client.sendmail("sender@client.test", ["hook@example.com"],
                            b"Subject: number %d\r\nMessage-ID: <%d@client.test>\r\n\r\n" % (number, number) + b"x" * 2000)


def wait(what, done, seconds=900):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise SystemExit("timed out: " + what)
        time.sleep(0.2)


def port_of(log):
    with open(log) as file:
        for line in file:
            if " info listening " in line:
                return int(line.split("address=")[1].split()[0].rsplit(":", 1)[1])
    return None


def fill(mxhook, folder, receiver, messages):
    """As many messages, received, delivered and in the history, which then are a day older."""
    for name, text in (("mxhook.lua", CONFIG + 'rules = { directory = "rules.d" }\n'),
                       ("rules.d/10.lua", "return function() return '%s' end\n" % receiver.url)):
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    log = os.path.join(folder, "log")
    with open(log, "w") as file:
        server = subprocess.Popen([mxhook, "run", "--config", folder + "/mxhook.lua"], stderr=file)
    try:
        wait("the server", lambda: port_of(log))
        senders = [threading.Thread(target=send, args=(port_of(log), range(i, messages, SESSIONS))) for i in range(SESSIONS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        wait("the deliveries", lambda: len(receiver.posts) >= messages)
    finally:
        server.terminate()
        server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--messages", type=int, default=10000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("mxhook")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="mxhook-replay-")
    try:
        receiver = Receiver()
        fill(arguments.mxhook, folder, receiver, arguments.messages)
        before = {identity: digest for _, identity, digest in receiver.posts}
        size = os.path.getsize(folder + "/spool/history.db")
        print("%d messages in the history with their bodies, %.1f MB" % (len(before), size / 1e6))
        receiver.posts.clear()
        began = time.monotonic()
        run = subprocess.run([arguments.mxhook, "history", "replay", "--since", "30h", "--rate", str(arguments.rate), "--config",
                              folder + "/mxhook.lua"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        took = time.monotonic() - began
        print(run.stderr.strip())
        per_second = collections.Counter(int(at - receiver.posts[0][0]) for at, *_ in receiver.posts)
        whole = [per_second[i] for i in range(max(per_second))]
        again = collections.Counter(identity for _, identity, _ in receiver.posts)
        same = all(before.get(identity) == digest for _, identity, digest in receiver.posts)
        print("exit %d after %.1f s; %d to %d came in a second; %d ids, each at most %d times, %s" % (
            run.returncode, took, min(whole or [0]), max(per_second.values()), len(again), max(again.values()),
            "all with their bytes of before" if same else "SOME WITH OTHER BYTES"))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
