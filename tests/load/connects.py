#!/usr/bin/python3
"""How many connections a second the server takes, and what one costs it.

Usage: connects.py MXHOOK [--seconds 5] [--clients 2] [--tls]

Each client process connects, reads the greeting, says QUIT, reads the reply, and begins anew, from
addresses all over 127.0.0.0/8. Connects a second depend on the clients' share of the machine; the
server's CPU time for a connection does not.
"""
import argparse
import multiprocessing
import socket
import ssl
import subprocess
import time

import measure


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect_all(port, tls, number, begin, seconds, count, failed):
    context = client_context() if tls else None
    begin.wait()
    end, done, wrong = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        source = "127.%d.%d.%d" % (1 + number, done // 250 % 250, 1 + done % 250)
        try:
            connection = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
            if context:
                connection = context.wrap_socket(connection)
            first = connection.recv(512)
            connection.sendall(b"QUIT\r\n")
            last = connection.recv(512)
            connection.close()
            wrong += not first.startswith(b"220 ") or not last.startswith(b"221 ")
        except OSError:
            wrong += 1
        done += 1
    with count.get_lock():
        count.value += done
        failed.value += wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mxhook")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    harness = measure.harness(options.mxhook)
    server = harness.Server({"10.lua": "return function(msg) return route.discard() end"}, start=False)
    if options.tls:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", server.folder + "/key.pem", "-out", server.folder + "/cert.pem", "-days", "2",
                        "-subj", "/CN=mx.test"], check=True, capture_output=True)
        server.write("mxhook.lua", open(server.config).read().replace(
            '{ "127.0.0.1:0" }', '{ { address = "127.0.0.1:0", tls = "implicit" } }') +
            'tls = { certificates = { { certificate = "cert.pem", key = "key.pem" } } }\n')
    server.start()
    begin = multiprocessing.Event()
    count, failed = multiprocessing.Value("l", 0), multiprocessing.Value("l", 0)
    clients = [multiprocessing.Process(target=connect_all, args=(server.port, options.tls, number, begin,
                                                                 options.seconds, count, failed))
               for number in range(options.clients)]
    for client in clients:
        client.start()
    time.sleep(0.5)
    before, start = measure.cpu(server.process.pid), time.monotonic()
    begin.set()
    for client in clients:
        client.join()
    used, taken = measure.cpu(server.process.pid) - before, time.monotonic() - start
    print("%d connections in %.1f s: %.0f a second; %d failed" % (count.value, taken, count.value / taken,
                                                                  failed.value))
    print("%.1f us of the server's CPU for each: one core is enough for %.0f a second; %s" % (
        used * 1e6 / count.value, count.value / used, measure.load()))
    server.close()


if __name__ == "__main__":
    main()
