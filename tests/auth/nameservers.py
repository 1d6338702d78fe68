"""nameservers.py - name servers for tests, on 127.0.0.1 and a port that the kernel picks.

Nsd: Debian's nsd with generated zones. FaultyServer: answers as it is told, for what a real one
does not do: silence, SERVFAIL, broken bytes.
"""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time


def free_port():
    """A port that is free for UDP and TCP now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return udp.getsockname()[1]


def txt(text):
    """A TXT record's data: strings of at most 255 bytes."""
    pieces = [text[i:i + 250] for i in range(0, len(text), 250)] or [""]
    return "TXT " + " ".join('"%s"' % p.replace("\\", "\\\\").replace('"', '\\"') for p in pieces)


def query(port, name, kind=16):
    """A question; the message of the answer, or None where there is none in time."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.2)
        udp.sendto(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + question +
                   struct.pack(">BHH", 0, kind, 1), ("127.0.0.1", port))
        try:
            return udp.recv(65535)
        except OSError:
            return None


class Nsd:
    """zones: {"example.com": [("@" or a name, "TXT ..."), ...]}; ttl: of all of it, in seconds."""

    def __init__(self, zones, ttl=60):
        self.folder = tempfile.mkdtemp(prefix="mxhook-nsd-")
        os.chmod(self.folder, 0o755)
        nsd = shutil.which("nsd", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", ""))
        for _ in range(5):  # somebody else may take the port meanwhile
            self.port = free_port()
            self.write(zones, ttl)
            self.log = open(os.path.join(self.folder, "log"), "w")
            self.process = subprocess.Popen([nsd, "-d", "-c", self.path("nsd.conf")],
                                            stdout=self.log, stderr=self.log)
            if self.wait(next(iter(zones))):
                return
            self.stop()
        with open(self.path("log")) as log:
            raise AssertionError("nsd did not start:\n" + log.read())

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, zones, ttl):
        conf = ["server:", "  server-count: 1", "  ip-address: 127.0.0.1@%d" % self.port,
                "  do-ip6: no", '  username: ""', '  chroot: ""', '  database: ""', '  pidfile: ""',
                '  zonesdir: "%s"' % self.folder, '  xfrdfile: "%s"' % self.path("xfrd"),
                '  zonelistfile: "%s"' % self.path("zonelist"), '  xfrdir: "%s"' % self.folder,
                "  rrl-ratelimit: 0", "remote-control:", "  control-enable: no"]
        for number, (zone, records) in enumerate(zones.items()):
            name = "zone%d" % number
            conf += ["zone:", '  name: "%s"' % zone, '  zonefile: "%s"' % name]
            lines = ["$ORIGIN %s." % zone, "$TTL %d" % ttl,
                     "@ SOA ns.%s. host.%s. 1 3600 600 86400 %d" % (zone, zone, ttl),
                     "@ NS ns.%s." % zone]
            lines += ["%s %s" % record for record in records]
            with open(self.path(name), "w") as file:
                file.write("\n".join(lines) + "\n")
        with open(self.path("nsd.conf"), "w") as file:
            file.write("\n".join(conf) + "\n")

    def wait(self, zone):
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            if query(self.port, zone, 6):
                return True
            time.sleep(0.02)
        return False

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        self.log.close()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class FaultyServer:
    """UDP only. answer(name, type) gives None (silence), bytes (all after the id), an rcode, or a
    list of (type, data) for the answer section; `questions` keeps what was asked."""

    def __init__(self, answer=lambda name, kind: None, ttl=60):
        self.answer, self.ttl, self.questions = answer, ttl, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                message, client = self.socket.recvfrom(65535)
            except OSError:
                return
            if len(message) < 17:
                return  # close()'s
            labels, at = [], 12
            while message[at]:
                labels.append(message[at + 1:at + 1 + message[at]].decode("latin-1"))
                at += 1 + message[at]
            name, kind = ".".join(labels), struct.unpack(">H", message[at + 1:at + 3])[0]
            question = message[12:at + 5]
            self.questions.append((name, kind))
            answer = self.answer(name, kind)
            if answer is not None:
                self.socket.sendto(message[:2] + self.rest(question, answer), client)

    def rest(self, question, answer):
        if isinstance(answer, bytes):
            return answer
        code = answer if isinstance(answer, int) else 0
        records = answer if isinstance(answer, list) else []
        out = struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0) + question
        for kind, data in records:
            out += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, self.ttl, len(data)) + data
        return out

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(5)
        self.socket.close()


def txt_data(text):
    """A TXT record's data for FaultyServer."""
    data = text.encode("latin-1")
    return b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255]
                    for i in range(0, len(data), 255)) or b"\0"
