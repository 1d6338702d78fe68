#!/usr/bin/python3
"""Holds SMTP sessions open, idle or sending slowly, and tells what they cost the server.

Usage: hold.py PORT PID COUNT SECONDS [--slow] [--tls]
  PID      the server's, whose memory and CPU time are read from /proc
  --slow   each session is inside DATA, and sends a byte a second; else each has said EHLO only
  --tls    PORT is one with TLS from the first byte
Loopback only; COUNT needs as many file descriptors (ulimit -n) here and there.
"""
import asyncio
import os
import ssl
import sys
import time

EHLO = b"EHLO hold.example\r\n"
DATA = b"MAIL FROM:<hold@client.test>\r\nRCPT TO:<hook@bench.example>\r\nDATA\r\n"


def resident(pid):
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def open_session(port, slow, tls):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(EHLO)
    await reader.readuntil(b"\n250 ")
    await reader.readline()
    if slow:
        writer.write(DATA)
        await reader.readuntil(b"354 ")
    return writer


async def main(port, pid, count, seconds, slow, tls):
    before, start = resident(pid), time.monotonic()
    sessions = []
    while len(sessions) < count:
        batch = min(200, count - len(sessions))
        sessions += await asyncio.gather(*(open_session(port, slow, tls) for _ in range(batch)))
    opened = time.monotonic() - start
    print("%d sessions in %.1f s; %.1f KB each" %
          (count, opened, (resident(pid) - before) / count / 1000), flush=True)
    cpu, start = cpu_seconds(pid), time.monotonic()
    while time.monotonic() - start < seconds:
        if slow:
            for session in sessions:
                session.write(b"x")
        await asyncio.sleep(1)
    print("held %d s; %.2f s of the server's CPU; %.1f KB each" %
          (seconds, cpu_seconds(pid) - cpu, (resident(pid) - before) / count / 1000))
    for session in sessions:
        session.transport.abort()


def client_context():
    """The certificate is the test's own; nobody else listens on loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    options = sys.argv[5:]
    asyncio.run(main(*map(int, sys.argv[1:5]), "--slow" in options,
                     client_context() if "--tls" in options else None))
