#!/usr/bin/python3
"""Measures what a dead destination costs the others, and a queue of very many deliveries.

Usage: dead_origin.py [--dead N] [--live N] [--waiting N] MXHOOK
  --dead N     deliveries that wait for a destination that refuses connections (default 10000)
  --live N     messages to another one, one after the other (default 2000), beside those and without them:
               from the end of DATA's reply to the arrival of the POST, as median and 99th percentile, and their
               ratios
  --waiting N  then with N deliveries (1000000) that are due in an hour in the spool: how long the server takes to
               start, its memory, and its throughput as a ratio to that of an empty queue
Everything is on loopback and in a folder under /tmp. Build MXHOOK as released.
"""
import argparse
import http.server
import os
import shutil
import signal
import smtplib
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time

CONFIG = """domains = { "example.com" }  listen = { "127.0.0.1:0" }  spool = { directory = "spool" }
auth = { spf = false, dkim = false, dmarc = false }
deliver = { attempts = 100, schedule = { "1h" }, breaker_pause = "1s" }
"""
RULE = """return function(msg)
  if msg.envelope.recipient:find("^dead") then
    local to = {} for i = 1, 100 do to[i] = "http://127.0.0.1:%d/" .. i end
    return to
  end
  return "http://127.0.0.1:%d/"
end"""
MESSAGE = "Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * 60


class Receiver:
    def __init__(self):
        self.arrived, receiver = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                receiver.arrived.append(time.monotonic())
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, count):
        end = time.monotonic() + 120
        while len(self.arrived) < count:
            if time.monotonic() > end:
                raise SystemExit("only %d of %d arrived" % (len(self.arrived), count))
            time.sleep(0.0002)


class Server:
    def __init__(self, mxhook, folder):
        self.log = open(folder + "/log", "w")
        start = time.monotonic()
        self.process = subprocess.Popen([mxhook, "run", "--config", folder + "/mxhook.lua"], stderr=self.log)
        while " started " not in open(folder + "/log").read():
            if self.process.poll() is not None:
                raise SystemExit(open(folder + "/log").read())
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - start
        self.port = int(open(folder + "/log").read().split("address=127.0.0.1:")[1].split()[0])
        self.smtp = smtplib.SMTP("127.0.0.1", self.port)

    def send(self, recipient):
        self.smtp.sendmail("a@client.test", [recipient], MESSAGE)

    def peak_mb(self):
        with open("/proc/%d/status" % self.process.pid) as file:
            return int(file.read().split("VmHWM:")[1].split()[0]) / 1000

    def stop(self):
        self.smtp.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()


def latencies(server, receiver, count):
    result = []
    for _ in range(count):
        before = len(receiver.arrived)
        start = time.monotonic()
        server.send("live@example.com")
        receiver.wait_for(before + 1)
        result.append((receiver.arrived[before] - start) * 1000)
    return statistics.median(result), sorted(result)[int(len(result) * 0.99)]


def throughput(server, receiver, count):
    before, start = len(receiver.arrived), time.monotonic()
    for _ in range(count):
        server.send("live@example.com")
    receiver.wait_for(before + count)
    return count / (time.monotonic() - start)


def fill(folder, count):
    """Copies of one delivery that waits, due in an hour, each with a payload of its own, of 700 bytes."""
    database = sqlite3.connect(folder + "/spool/spool.db")
    columns = [row[1] for row in database.execute("PRAGMA table_info(delivery)")]
    for table, values in (("payload", {"row": "?", "last": "?", "bytes": "substr(bytes, 1, 700)"}),
                          ("delivery", {"row": "?", "payload": "?", "due": "%d" % ((time.time() + 3600) * 1000)})):
        names = columns if table == "delivery" else [row[1] for row in database.execute("PRAGMA table_info(payload)")]
        source, = database.execute("SELECT min(row) FROM " + table).fetchone()
        first, = database.execute("SELECT max(row) + 1 FROM delivery").fetchone() if table == "payload" else (first,)
        marks = sum(value == "?" for value in values.values())
        database.executemany("INSERT INTO %s (%s) SELECT %s FROM %s WHERE row = %d" % (
            table, ", ".join(names), ", ".join(values.get(name, name) for name in names), table, source),
            ((row,) * marks for row in range(first, first + count)))
    database.commit()
    database.close()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name, default in (("--dead", 10000), ("--live", 2000), ("--waiting", 1000000)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("mxhook")
    options = parser.parse_args()
    folder, receiver = tempfile.mkdtemp(prefix="mxhook-dead-"), Receiver()
    with socket.socket() as refusing:  # bound, not listening: nobody else gets the port
        refusing.bind(("127.0.0.1", 0))
        os.mkdir(folder + "/rules.d")
        open(folder + "/mxhook.lua", "w").write(CONFIG)
        open(folder + "/rules.d/10.lua", "w").write(RULE % (refusing.getsockname()[1], receiver.port))
        server = Server(options.mxhook, folder)
        try:
            latencies(server, receiver, 200)
            plain = latencies(server, receiver, options.live)
            empty = throughput(server, receiver, options.live)
            for _ in range(options.dead // 100):
                server.send("dead@example.com")
            time.sleep(2)
            beside = latencies(server, receiver, options.live)
            print("latency alone             median %.2f ms  p99 %.2f ms" % plain)
            print("beside %6d for a dead   median %.2f ms  p99 %.2f ms   ratio %.2f and %.2f" % (
                options.dead, *beside, beside[0] / plain[0], beside[1] / plain[1]))
            server.stop()
            fill(folder, options.waiting)
            server = Server(options.mxhook, folder)
            full = throughput(server, receiver, options.live)
            print("with %d waiting      started in %.2f s, peak %.0f MB, %.0f messages/s, ratio %.2f to an empty queue's" % (
                options.waiting, server.start_seconds, server.peak_mb(), full, full / empty))
        finally:
            server.stop()
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
