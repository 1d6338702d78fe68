#!/usr/bin/python3
"""How much slow senders cost the others: the latency of normal mail beside them, as a ratio to none.

Usage: latency.py MXHOOK [--senders 1000] [--rounds 8] [--seconds 5] [--rate 100]

Rounds of three kinds take turns, so that what else happens on the machine meets all of them alike:
  none        nobody else
  elsewhere   the slow senders send to a dummy of ours: what they cost as processes on the same machine
  here        they send to the server: each is inside DATA, and sends a byte a second
The normal mail is the same in each: RATE messages of 5 KB a second over 10 sessions, stored, synced and
sent on to `mxhook sink`. Told are the medians of a round's latencies (MAIL to the 250 after DATA) as
ratios to the round of kind "none" beside it, and the server's CPU time for a message.
"""
import argparse
import asyncio
import multiprocessing
import re
import statistics
import subprocess
import threading
import time

import measure

KINDS = ("none", "elsewhere", "here")


async def hold(port, count, ready, stop, dummy):
    """Slow senders, until they are told to stop."""
    async def open_one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if not dummy:
            writer.write(b"EHLO slow.client.test\r\n")
            await reader.readuntil(b"\n250 ")
            writer.write(b"MAIL FROM:<slow@client.test>\r\nRCPT TO:<hook@example.com>\r\nDATA\r\n")
            await reader.readuntil(b"354 ")
        return writer
    writers = []
    while len(writers) < count:
        writers += await asyncio.gather(*(open_one() for _ in range(min(100, count - len(writers)))))
    ready.set()
    turn = 0
    while not stop.is_set():  # a twentieth of them every 50 ms: no bursts
        for writer in writers[turn::20]:
            writer.write(b"x")
        turn = (turn + 1) % 20
        await asyncio.sleep(0.05)
    for writer in writers:
        writer.transport.abort()


def slow_senders(port, count, ready, stop, dummy):
    asyncio.run(hold(port, count, ready, stop, dummy))


def dummy_server(port):
    """Reads, and answers nothing."""
    async def swallow(reader, writer):
        while await reader.read(4096):
            pass
        writer.close()

    async def serve():
        server = await asyncio.start_server(swallow, "127.0.0.1", 0, backlog=1024)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()
    asyncio.run(serve())


def normal_mail(clients, seconds, rate, text):
    """The latencies, in ms, of what is sent in so many seconds at an even rate."""
    found, lock = [], threading.Lock()
    begin = time.monotonic()

    def run(client, number):
        due = begin + number / rate
        while due < begin + seconds:
            time.sleep(max(0, due - time.monotonic()))
            start = time.monotonic()
            reply = client.send(text)
            with lock:
                found.append((time.monotonic() - start) * 1000)
            if not reply.startswith("250"):
                raise SystemExit("normal mail was answered " + reply)
            due = max(due + len(clients) / rate, time.monotonic())
    workers = [threading.Thread(target=run, args=pair) for pair in zip(clients, range(len(clients)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def one_round(kind, options, server, dummy_port, clients, text):
    stop, ready = multiprocessing.Event(), multiprocessing.Event()
    process = None
    if kind != "none":
        port = server.port if kind == "here" else dummy_port
        process = multiprocessing.Process(target=slow_senders,
                                          args=(port, options.senders, ready, stop, kind == "elsewhere"))
        process.start()
        if not ready.wait(120):
            raise SystemExit("the slow senders did not get in")
        time.sleep(0.3)
    before = measure.cpu(server.process.pid)
    latencies = normal_mail(clients, options.seconds, options.rate, text)
    used = measure.cpu(server.process.pid) - before
    if process:
        stop.set()
        process.join()
        time.sleep(0.3)
    return latencies, used * 1e6 / len(latencies)


def start(options):
    harness = measure.harness(options.mxhook)
    sink = subprocess.Popen([harness.MXHOOK, "sink", "--port", "0", "--quiet"], stdout=subprocess.PIPE, text=True)
    url = "http://127.0.0.1:%s/" % re.search(r"port (\d+)", sink.stdout.readline()).group(1)
    threading.Thread(target=sink.stdout.read, daemon=True).start()
    server = harness.Server(
        {"10.lua": "return function(msg) return %r end" % url},
        "smtp = { max_connections = %d } access = { unlimited = { '127.0.0.0/8' } }\n" % (options.senders + 100))
    return server, sink


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mxhook")
    parser.add_argument("--senders", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=float, default=100)
    options = parser.parse_args()
    measure.raise_descriptors(options.senders + 500)
    port = multiprocessing.Value("i", 0)
    dummy = multiprocessing.Process(target=dummy_server, args=(port,), daemon=True)
    dummy.start()
    server, sink = start(options)
    try:
        clients = [measure.Client(server.port) for _ in range(10)]
        for client in clients:
            client.say(b"EHLO normal.client.test\r\n")
        text = measure.message(5000)
        normal_mail(clients, 1, options.rate, text)  # warms up
        medians, tails, costs = ({kind: [] for kind in KINDS} for _ in range(3))
        print(measure.load())
        for number in range(options.rounds):
            for kind in KINDS[number % 3:] + KINDS[:number % 3]:
                latencies, cost = one_round(kind, options, server, port.value, clients, text)
                medians[kind].append(statistics.median(latencies))
                tails[kind].append(statistics.quantiles(latencies, n=20)[18])
                costs[kind].append(cost)
        print("%-10s %-26s %-26s %s" % ("", "median ms", "95 % below, ms", "CPU us a message"))
        for kind in KINDS:
            print("%-10s %-26s %-26s %s" % (kind, measure.middle(medians[kind]), measure.middle(tails[kind]),
                                            measure.middle(costs[kind])))
        extra = statistics.median(costs["here"]) - statistics.median(costs["none"])
        print("a slow sender's byte costs the server %.1f us" % (extra * options.rate / options.senders))
        for kind, base in (("elsewhere", "none"), ("here", "none"), ("here", "elsewhere")):
            print("%s / %s: latency %s, CPU %s" % (
                kind, base, measure.middle([a / b for a, b in zip(medians[kind], medians[base])]),
                measure.middle([a / b for a, b in zip(costs[kind], costs[base])])))
        print(measure.load())
    finally:
        server.close()
        sink.kill()
        dummy.terminate()


if __name__ == "__main__":
    main()
