#!/usr/bin/env python3
"""Usage: MXHOOK=build/mxhook tests/bench/admin_cost.py [scrape|list|idle|watch]...

What the admin room costs, one figure each: the CPU time of a message with /metrics scraped each second and without; a page of
a list over 1,000,000 rows of history; the memory of an idle server with the room and without; CPU time of a message with 200
watchers of the live tail and without. CPU time of the process, not wall-clock time: other work on the machine disturbs it
less, yet runs in pairs, and the median of their ratios counts; and the CPU time that the room's own threads took of a second,
which other work hardly disturbs. ROUNDS (5), MESSAGES (4000) and ROWS (1000000) of the environment."""

import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness import Receiver, Server, mail  # noqa: E402

ROUNDS, MESSAGES, ROWS = (int(os.environ.get(name, value)) for name, value in (("ROUNDS", 5), ("MESSAGES", 4000), ("ROWS", 1000000)))
RULES = {"10.lua": 'return function(msg) return "%s/in" end'}
ADMIN = 'admin = { listen = { "127.0.0.1:0" } }\n'
TEXT = mail("A message of the usual size", "Some words, and more of them.\r\n" * 150)


def cpu_seconds(server):
    with open("/proc/%d/stat" % server.process.pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def room_seconds(server):
    """Of the admin room's own threads."""
    folder, total = "/proc/%d/task" % server.process.pid, 0
    for thread in os.listdir(folder):
        with open("%s/%s/stat" % (folder, thread)) as file:
            name, fields = file.read().split("(", 1)[1].rsplit(")", 1)
        if name in ("mxhook-admin", "admin-reader"):
            total += sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")
    return total


def memory(server):
    with open("/proc/%d/smaps_rollup" % server.process.pid) as file:
        return sum(int(value) for value in re.findall(r"^(?:Private_Dirty|Private_Clean): +(\d+)", file.read(), re.M)) / 1024


def port_of(server):
    return int(re.search(r"admin-listening address=127.0.0.1:(\d+)", server.log()).group(1))


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    text = connection.getresponse().read()
    connection.close()
    return text


def cost(config, beside):
    """CPU seconds of a message while beside(server, ended) runs in a thread of its own, and of a second that the room's threads took."""
    receiver = Receiver()
    server = Server({"10.lua": RULES["10.lua"] % receiver.url}, config)
    try:
        ended = threading.Event()
        thread = threading.Thread(target=beside, args=(server, ended))
        thread.start()
        before, room_before, begun = cpu_seconds(server), room_seconds(server), time.monotonic()
        with server.smtp() as client:
            for _ in range(MESSAGES):
                client.sendmail("a@client.test", ["hook@example.com"], TEXT)
        receiver.wait_for(MESSAGES, 600)
        used, room = cpu_seconds(server) - before, room_seconds(server) - room_before
        ended.set()
        thread.join()
        return used / MESSAGES, room / (time.monotonic() - begun)
    finally:
        server.close()
        receiver.close()


def nothing(server, ended):
    pass


def scraping(server, ended):
    while not ended.wait(1):
        ask(port_of(server), "/metrics")


def watching(server, ended):
    watchers = []
    for _ in range(200):
        s = socket.create_connection(("127.0.0.1", port_of(server)))
        s.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        s.setblocking(False)
        watchers.append(s)
    while not ended.wait(0.1):
        for s in watchers:
            try:
                while s.recv(1 << 16):
                    pass
            except BlockingIOError:
                pass
    for s in watchers:
        s.close()


def compare(name, config, beside, without):
    ratios, shares = [], []
    for number in range(ROUNDS):
        (plain, _), (used, share) = [cost(*each) for each in ((without, nothing), (config, beside))]
        ratios.append(used / plain)
        shares.append(share)
        print("  %d: %.0f us without, %.0f us with: %+.1f %%, the room's threads %.1f ms a second"
              % (number + 1, 1e6 * plain, 1e6 * used, 100 * (ratios[-1] - 1), 1000 * share), flush=True)
    print("%s: %+.1f %% CPU time a message, the room's threads %.1f ms a second (medians of %d pairs)"
          % (name, 100 * (statistics.median(ratios) - 1), 1000 * statistics.median(shares), ROUNDS))


def scrape():
    compare("scraped each second", ADMIN, scraping, "")


def watch():
    compare("200 watchers of the live tail", ADMIN, watching, ADMIN)


def idle():
    sizes = []
    for config in ("", ADMIN):
        server = Server({"10.lua": RULES["10.lua"] % "http://127.0.0.1:1"}, config)
        try:
            if config:
                ask(port_of(server), "/metrics")
                ask(port_of(server), "/api/v1/status")
            time.sleep(2)
            sizes.append(memory(server))
        finally:
            server.close()
    print("idle: %.2f MB without the admin room, %.2f MB with it: %+.2f MB" % (*sizes, sizes[1] - sizes[0]))


def list_page():
    config = ADMIN + 'history = { keep = "3650d", max_size = "100 GiB" }\n'
    server = Server({"10.lua": RULES["10.lua"] % "http://127.0.0.1:1"}, config)
    try:
        server.stop()
        spool = os.path.join(server.folder, "spool")
        for name in os.listdir(spool):
            if name.startswith("history"):
                os.remove(os.path.join(spool, name))
        fill = os.path.join(os.path.dirname(os.path.abspath(os.environ["MXHOOK"])), "tests/history/fill")
        subprocess.run([fill, str(ROWS), spool], check=True, stdout=subprocess.DEVNULL)
        server.start()
        for query in ("", "&cursor=%d" % (ROWS // 2), "&recipient=hook@example.com", "&state=delivered",
                      "&destination=https://hook7.example/in", "&status=200", "&state=failed", "&sender=no@such.example"):
            times = []
            for _ in range(5):
                begun = time.monotonic()
                text = ask(port_of(server), "/api/v1/history?limit=50" + query)
                times.append(1000 * (time.monotonic() - begun))
            print("  %6.1f ms  %s: %d messages (median of 5, %.1f at most)"
                  % (statistics.median(times), query, len(json.loads(text)["messages"]), max(times)))
    finally:
        server.close()
    print("list: a page over %d rows" % ROWS)


if __name__ == "__main__":
    for name in sys.argv[1:] or ["idle", "list", "scrape", "watch"]:
        {"idle": idle, "list": list_page, "scrape": scrape, "watch": watch}[name]()
