"""What DNS that does not answer costs the others. Not a test: it prints numbers.

usage: MXHOOK=... throughput.py [SECONDS]

Senders of two kinds: those whose domains a name server answers for, and those whose look-ups all
time out. Prints how many messages of the first kind pass each second, alone and beside the second
kind; and how many pass when no resolver is there at all, once the breaker has opened.
"""

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))

import harness  # noqa: E402
import nameservers  # noqa: E402

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 5
GOOD_CLIENTS, SLOW_CLIENTS = 8, 50
BODY = b"x" * 76 + b"\r\n"


class Client(threading.Thread):
    """One connection, one message after another; domain(number) is whose."""

    def __init__(self, port, domain, end):
        super().__init__(daemon=True)
        self.port, self.domain, self.end, self.count = port, domain, end, 0

    def run(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
            replies = s.makefile("rb")
            replies.readline()
            s.sendall(b"EHLO client.test\r\n")
            while replies.readline()[3:4] == b"-":
                pass
            while time.monotonic() < self.end:
                name = self.domain(self.count).encode()
                s.sendall(b"MAIL FROM:<a@%s>\r\nRCPT TO:<hook@example.com>\r\nDATA\r\n" % name)
                for _ in range(3):
                    replies.readline()
                s.sendall(b"From: a@%s\r\nSubject: s\r\n\r\n%s.\r\n" % (name, BODY * 60))
                if replies.readline()[:3] != b"250":
                    raise AssertionError("refused")
                self.count += 1


def measure(port, good, slow, prefix):
    end = time.monotonic() + SECONDS
    clients = [Client(port, lambda n, i=i: "good%d.test" % i, end) for i in range(good)]
    slows = [Client(port, lambda n, i=i: "slow-%s-%d-%d.test" % (prefix, i, n), end)
             for i in range(slow)]
    for client in slows + clients:
        client.start()
    for client in clients:
        client.join()
    return (sum(c.count for c in clients) / SECONDS, sum(c.count for c in slows) / SECONDS)


def main():
    server = nameservers.FaultyServer(lambda name, kind: None if "slow" in name else
                                      [(16, nameservers.txt_data("v=spf1 ip4:127.0.0.1 -all"))]
                                      if kind == 16 and not name.startswith("_") else 3, ttl=3600)
    rules = {"drop.lua": "return function() return route.discard() end"}
    config = 'dns = { resolvers = { "127.0.0.1:%d" } }\n'
    mx = harness.Server(rules, config % server.port, start=True)
    measure(mx.port, GOOD_CLIENTS, 0, "warm")
    alone, beside = [], []
    for turn in range(3):  # in turns, since the machine has other work too
        alone.append(measure(mx.port, GOOD_CLIENTS, 0, "alone%d" % turn)[0])
        good, slow = measure(mx.port, GOOD_CLIENTS, SLOW_CLIENTS, "beside%d" % turn)
        beside.append(good)
        time.sleep(6)
    print("alone:  %s messages/s" % " ".join("%.0f" % v for v in alone))
    print("beside %d clients whose look-ups all time out: %s messages/s" % (
        SLOW_CLIENTS, " ".join("%.0f" % v for v in beside)))
    print("ratio: %.2f" % (sum(beside) / sum(alone)))
    mx.stop()
    mx.close()
    server.close()

    mx = harness.Server(rules, config % nameservers.free_port(), start=True)
    measure(mx.port, GOOD_CLIENTS, 0, "warm")
    dead = [measure(mx.port, GOOD_CLIENTS, 0, "dead%d" % turn)[0] for turn in range(3)]
    print("no resolver at all: %s messages/s, ratio %.2f" % (
        " ".join("%.0f" % v for v in dead), sum(dead) / sum(alone)))
    mx.stop()
    mx.close()

    silent = nameservers.FaultyServer()
    mx = harness.Server(rules, config % silent.port, start=True)
    measure(mx.port, GOOD_CLIENTS, 0, "warm")
    time.sleep(6)
    dead = [measure(mx.port, GOOD_CLIENTS, 0, "dead%d" % turn)[0] for turn in range(3)]
    print("a resolver that is silent: %s messages/s, ratio %.2f" % (
        " ".join("%.0f" % v for v in dead), sum(dead) / sum(alone)))
    mx.stop()
    mx.close()


main()
