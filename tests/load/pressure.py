#!/usr/bin/python3
"""What the server does when more comes in than goes on: memory, answers and processor time.

Usage: pressure.py MXHOOK [workers] [disk] [descriptors]     (default: all three)

workers      one worker, rules of 50 ms CPU: 200 clients send messages of 1 MB, then of 200 KB
disk         every sync takes 100 ms: the same clients, messages of 20 KB
descriptors  only 200 may be open: 400 clients connect

Told are the memory before, at its peak and after, and how the clients were answered.
"""
import collections
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time

import measure

CLIENTS, SECONDS = 200, 10
SLOW_RULE = """return function(msg)
  local stop = os.clock() + 0.05
  while os.clock() < stop do end
  return route.discard()
end"""
SLOW_DISK = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fdatasync(int fd) { usleep(100000); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
int fsync(int fd) { usleep(100000); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
"""


def send_until(server, end, text, answers):
    """One client: messages one after another, on a connection as long as it lasts."""
    client = None
    while time.monotonic() < end:
        try:
            if client is None:
                client = measure.Client(server.port)
                client.say(b"EHLO load.client.test\r\n")
            reply = client.send(text)
            answers[reply[:9] or "closed"] += 1
            if not reply.startswith("250"):
                client.say(b"RSET\r\n")
                time.sleep(0.2)
        except OSError as error:
            answers[type(error).__name__] += 1
            client = None
            time.sleep(0.2)
    if client:
        client.close()


def push(server, text, what):
    pid = server.process.pid
    before, start, begin = measure.resident(pid), measure.cpu(pid), time.monotonic()
    answers, peak = collections.Counter(), 0
    end = begin + SECONDS
    clients = [threading.Thread(target=send_until, args=(server, end, text, answers)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients):
        peak = max(peak, measure.resident(pid))
        time.sleep(0.05)
    print("%-28s RSS %.1f MB before, %.1f MB at most, %.1f MB after; CPU %.1f s in %.1f s; answers %s" % (
        what, before / 1e6, peak / 1e6, measure.resident(pid) / 1e6, measure.cpu(pid) - start, time.monotonic() - begin,
        dict(answers)), flush=True)


def workers(harness):
    server = harness.Server({"10.lua": SLOW_RULE}, "rules = { workers = 1, unsafe = true } "
                            "access = { unlimited = { '127.0.0.0/8' } }\n")
    push(server, measure.message(1000000), "slow worker, 1 MB")
    push(server, measure.message(200000), "slow worker, 200 KB")
    server.close()


def disk(harness):
    with tempfile.TemporaryDirectory() as folder:
        shim = os.path.join(folder, "slow.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", shim, "-ldl"], input=SLOW_DISK.encode(),
                       check=True)
        os.environ["LD_PRELOAD"] = shim
        server = harness.Server({"10.lua": "return function(msg) return 'http://127.0.0.1:9/' end"},
                                "deliver = { attempts = 1 } access = { unlimited = { '127.0.0.0/8' } }\n")
        del os.environ["LD_PRELOAD"]
        push(server, measure.message(20000), "slow disk, 20 KB")
        server.close()


def descriptors(harness):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    server = harness.Server({"10.lua": "return function(msg) return route.discard() end"},
                            "smtp = { max_connections = 10000 } access = { unlimited = { '127.0.0.0/8' } }\n")
    pid = server.process.pid
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (200, hard))
    before, clients = measure.resident(pid), []
    for _ in range(400):
        clients.append(measure.Client(server.port))
    greetings = collections.Counter(client.greeting[:3] for client in clients)
    start = measure.cpu(pid)
    time.sleep(3)
    idle = measure.cpu(pid) - start
    for client in clients:
        client.close()
    time.sleep(1)
    client = measure.Client(server.port)
    client.say(b"EHLO load.client.test\r\n")
    print("%-28s greetings %s; CPU %.2f s in 3 s of waiting; RSS %.1f MB before, %.1f MB with them; afterwards "
          "a message is answered %s" % ("200 descriptors", dict(greetings), idle, before / 1e6,
                                        measure.resident(pid) / 1e6, client.send(measure.message(5000))[:9]))
    server.close()


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    cases = {"workers": workers, "disk": disk, "descriptors": descriptors}
    wanted = sys.argv[2:] or list(cases)
    for name in wanted:
        if name not in cases:
            sys.exit(__doc__)
    measure.raise_descriptors(2000)
    harness = measure.harness(sys.argv[1])
    print(measure.load())
    for name in wanted:
        cases[name](harness)


if __name__ == "__main__":
    main()
