#!/usr/bin/env python3
"""play_dialogues.py [--source ADDRESS] HOST PORT FILES... - plays dialogues against a server that runs.

The format, and the configuration that the server needs, stand in dialogues/README.md. ADDRESS is where
the client connects from. Prints a line for each file, and exits 1 if one failed.
"""

import re
import socket
import sys

PATIENCE = 30  # seconds for a reply, with sanitizers on


class Failed(Exception):
    pass


def expand(text):
    """The bytes that a client line stands for."""
    out, rest = expand_until(text, 0, False)
    assert rest == len(text)
    return out


def expand_until(text, at, nested):
    letters = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
    out = b""
    while at < len(text) and not (nested and text[at] == ")"):
        if text[at] != "\\":
            out += text[at].encode()
            at += 1
        elif text[at + 1] == "x":
            out += bytes.fromhex(text[at + 2:at + 4])
            at += 4
        elif text[at + 1] == "(":
            times = re.compile(r"(\d+)\*").match(text, at + 2)
            once, at = expand_until(text, times.end(), True)
            out += once * int(times.group(1))
            at += 1
        else:
            out += letters[text[at + 1]]
            at += 2
    return out, at


def matches(pattern, line):
    if pattern.startswith("="):
        return line == pattern[1:]
    return re.match(".*".join(re.escape(part) for part in pattern.split("...")), line) is not None


class Connection:
    def __init__(self, host, port, source):
        self.socket = socket.create_connection((host, port), timeout=PATIENCE, source_address=(source, 0))
        self.buffer, self.pending = b"", b""

    def say_pending(self):
        try:
            self.socket.sendall(self.pending)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it closed before it read all: what it said will tell
        self.pending = b""

    def receive(self):
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""
        except socket.timeout:
            raise Failed("no reply within %d s" % PATIENCE)

    def line(self):
        while b"\r\n" not in self.buffer:
            piece = self.receive()
            if not piece:
                raise Failed("closed, after %r" % self.buffer)
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8")

    def expect_closed(self):
        rest = self.buffer or self.receive()
        if rest:
            raise Failed("not closed, but %r" % rest)


def play_line(connection, line):
    if line.startswith("C: ") or line == "C:":
        connection.pending += expand(line[3:]) + b"\r\n"
    elif line.startswith("C> "):
        connection.pending += expand(line[3:])
    elif line.startswith("S: "):
        connection.say_pending()
        reply = connection.line()
        if not matches(line[3:], reply):
            raise Failed("expected %r, got %r" % (line[3:], reply))
    elif line == "CLOSED":
        connection.say_pending()
        connection.expect_closed()
    elif line and not line.startswith("#"):
        raise Failed("cannot read this")


def play(host, port, source, path):
    """Returns why it failed, or None."""
    connection = Connection(host, port, source)
    number = 0
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                play_line(connection, line.rstrip("\n"))
        if connection.buffer:
            raise Failed("not expected: %r" % connection.buffer)
    except Failed as failed:
        return "%s:%d: %s" % (path, number, failed)
    finally:
        connection.socket.close()
    return None


def main(arguments):
    source = ""
    if arguments[:1] == ["--source"]:
        source, arguments = arguments[1], arguments[2:]
    if len(arguments) < 3:
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    host, port, paths = arguments[0], int(arguments[1]), arguments[2:]
    failures = 0
    for path in paths:
        failure = play(host, port, source, path)
        failures += failure is not None
        print("FAIL " + failure if failure else "ok   " + path)
    print("%d of %d dialogues failed" % (failures, len(paths)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
