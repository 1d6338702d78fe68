"""cost.py - what a 5 KB message costs in instructions (valgrind's callgrind), by room, against the figure in cost.json.

Messages go one by one, each delivered before the next begins, so that two runs count the same but for a percent or
so, on a loaded machine too. The starts' part is taken out by a short run and a long one. Counted is what mxhook and
its libraries execute; not the kernel. The figure holds for the compiler and the libraries of Debian 12.
"""

import argparse
import collections
import http.server
import json
import os
import re
import smtplib
import subprocess
import sys
import tempfile
import threading
import time

import cases
import mails
import servers

FIGURE = os.path.join(servers.HERE, "cost.json")
SHORT, LONG = 20, 220  # messages
PAUSE = 0.05           # seconds after a POST, until its delivery is noted as done

servers.PATIENCE = 300  # all takes 50 times as long


class Receiver(http.server.ThreadingHTTPServer):
    """Answers 200, and counts."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.arrived = threading.Semaphore(0)
        with open(servers.SCANNER, "rb") as file:
            self.scan_answer = file.read()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/mail" % self.server_port


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        scans = self.path == "/checkv2"
        answer = self.server.scan_answer if scans else b""
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        if not scans:
            self.server.arrived.release()

    def log_message(self, *_):
        pass


# Copies of more than 2 KB are one instruction (rep movsb), which is counted once for each byte: not with this.
VECTORS = "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000"


class Counted(servers.Mxhook):
    """mxhook under callgrind, with one worker and without the checks of the sender."""

    def __init__(self, binary, out, **more):
        super().__init__("mxhook", binary, **more)
        self.out = out

    def command(self):
        (binary, *arguments), extra = super().command()
        with open(arguments[-1], "a") as file:
            file.write("rules = { workers = 1, time_limit = \"10s\" }\n")
        return ["env", VECTORS, "valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=" + self.out, binary, *arguments], extra


def run(binary, messages, folder, **more):
    """The lines of callgrind's report of a run; more: as servers.Mxhook has it."""
    receiver = Receiver()
    out = os.path.join(folder, "out")
    server = Counted(binary, out, **more)
    server.start(os.path.join(folder, "server"), receiver.url)
    try:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=servers.PATIENCE) as client:
            for number in range(messages):
                text = b"Message-ID: <%06d@bench.example>\r\n" % number + mails.make("5k")
                client.sendmail("sender@bench.example", ["hook@bench.example"], text)
                if not receiver.arrived.acquire(timeout=servers.PATIENCE):
                    raise servers.Failed("a message was not posted")
                time.sleep(PAUSE)
    finally:
        server.stop()
        receiver.shutdown()
        receiver.server_close()
    with open(out) as file:
        return file.read().splitlines()


def room_of(path, library):
    """The part of mxhook that a source file belongs to, or the library."""
    folder = re.search(r"/server/(\w+)/", path)
    if folder:
        return folder[1]
    if re.search(r"/server/\w+\.c$", path):
        return "top floor"
    name = os.path.basename(library).split(".so")[0].split("-5.1")[0]
    return {"libc": "libc", "ld-linux-x86-64": "libc", "libsqlite3": "SQLite", "libuv": "libuv", "mxhook": "other"}.get(
        name, name)


def counts(lines):
    """Instructions by room: each function's own, without what it calls."""
    names, at = {}, {"fl": "", "ob": ""}
    total = collections.Counter()
    called = False
    for line in lines:
        key = re.match(r"(c?f[lien]|c?ob)=(?:\((\d+)\))?(?: ?(.*))?$", line)
        if key:
            kind = {"ob": "ob", "cob": "ob", "fn": "fn", "cfn": "fn"}.get(key[1], "fl")
            if key[3]:
                names[kind, key[2]] = key[3]
            if key[1] in ("fl", "fi", "fe", "ob"):
                at["ob" if key[1] == "ob" else "fl"] = names[kind, key[2]]
        elif line.startswith("calls="):
            called = True
        elif re.match(r"[+*\d-]", line):
            if not called:
                total[room_of(at["fl"], at["ob"])] += int(line.split()[1])
            called = False
    return total


def measure(binary, **more):
    """Instructions of one message, by room."""
    result = []
    for messages in (SHORT, LONG):
        with tempfile.TemporaryDirectory(prefix="mxhook-cost-") as folder:
            result.append(counts(run(binary, messages, folder, **more)))
    short, long = result
    return {room: (long[room] - short[room]) / (LONG - SHORT) for room in long}


def count_scan(binary):
    without, scanned = measure(binary), measure(binary, scan=True)
    for room in sorted(scanned, key=lambda room: without.get(room, 0) - scanned[room]):
        print("%+9.0f  %s" % (scanned[room] - without.get(room, 0), room))
    print("%+9.0f  instructions for a message of 5 KB that is scanned, beside %.0f" % (
        sum(scanned.values()) - sum(without.values()), sum(without.values())))
    return 0


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench --cost", description=__doc__.split("\n\n")[0])
    parser.add_argument("binary", nargs="?", default=os.environ.get("MXHOOK"))
    parser.add_argument("--scan", action="store_true", help="count what a scanner that answers at once adds")
    cases.add_options(parser)
    opts = parser.parse_args()
    binary = os.path.abspath(opts.binary)
    if opts.scan:
        return count_scan(binary)
    chosen = cases.chosen(opts)
    if chosen:
        return cases.table(binary, chosen, lambda case: sum(measure(binary, **case.more).values()))
    with open(FIGURE) as file:
        figure = json.load(file)
    rooms = measure(binary)
    total = sum(rooms.values())
    for room, count in sorted(rooms.items(), key=lambda item: -item[1]):
        if count >= total / 1000:
            print("%9.0f  %4.1f %%  %-14s %+8.0f" % (count, 100 * count / total, room, count - figure["rooms"].get(room, 0)))
    change = 100 * (total / figure["instructions"] - 1)
    print("%9.0f  instructions for a message of 5 KB: %+.1f %% of %d (%s); allowed: %+d %%" % (
        total, change, figure["instructions"], figure["commit"], figure["allowed_percent"]))
    return 0 if change <= figure["allowed_percent"] else 1


if __name__ == "__main__":
    sys.exit(main())
