"""measure.py - what the scripts here share: a server in a folder of its own, and what it costs.

Figures come from /proc, so they are the server's own whatever else runs on the machine.
"""

import os
import resource
import socket
import statistics
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))

TICKS = os.sysconf("SC_CLK_TCK")


def harness(binary):
    """tests/e2e/harness.py, for this binary."""
    os.environ["MXHOOK"] = os.path.abspath(binary)
    import harness as module
    return module


def raise_descriptors(count):
    """Of this process; says so where the machine does not allow so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        sys.exit("%d file descriptors are needed; the hard limit (ulimit -Hn) is %d" % (count, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def resident(pid):
    """Bytes of RAM now."""
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak(pid):
    """Bytes of RAM at the most so far."""
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def seconds_of(path):
    """(name, CPU seconds) of a /proc/.../stat."""
    with open(path) as file:
        text = file.read()
    name, fields = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
    return name, (int(fields[11]) + int(fields[12])) / TICKS


def cpu(pid):
    return seconds_of("/proc/%d/stat" % pid)[1]


def threads(pid):
    """{(tid, name): CPU seconds}"""
    folder = "/proc/%d/task" % pid
    found = {}
    for tid in os.listdir(folder):
        name, seconds = seconds_of("%s/%s/stat" % (folder, tid))
        found[int(tid), "loop" if int(tid) == pid else name] = seconds
    return found


def load():
    return "load average %s on %d cores" % (os.getloadavg()[0], os.cpu_count())


class Client:
    """A small SMTP client, blocking, that does not get in its own way."""

    def __init__(self, port, source="127.0.0.1", timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""
        self.greeting = self.reply()

    def reply(self):
        """The last line of a reply; "" where the connection is closed."""
        while True:
            line, end, rest = self.input.partition(b"\r\n")
            if end:
                self.input = rest
                if line[3:4] != b"-":
                    return line.decode("latin-1")
                continue
            piece = self.socket.recv(65536)
            if not piece:
                return ""
            self.input += piece

    def say(self, bytes_):
        self.socket.sendall(bytes_)
        return self.reply()

    def send(self, message, recipient="hook@example.com", sender="load@client.test"):
        """One message, each command after the reply to the one before. The last reply."""
        for command in ("MAIL FROM:<%s>\r\n" % sender, "RCPT TO:<%s>\r\n" % recipient, "DATA\r\n"):
            reply = self.say(command.encode())
            if reply[:1] not in "23" or not reply:
                return reply
        return self.say(message + b"\r\n.\r\n")

    def close(self):
        self.socket.close()


def message(size):
    line = b"All work and no play makes a dull load test, and so on for a while yet.\r\n"
    head = b"From: load@client.test\r\nTo: hook@example.com\r\nSubject: Load\r\n\r\n"
    return head + line * max(1, (size - len(head)) // len(line))


def middle(values):
    """"median (lowest to highest)" """
    return "%.2f (%.2f to %.2f)" % (statistics.median(values), min(values), max(values))
