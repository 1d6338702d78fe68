"""driver.py - a client of one connection that does anything in any order, and knows what it was promised.

    Client(random, ports, ledger).run()

Whatever was answered 250 stands in the ledger then, and so does what was refused.
"""

import base64
import socket
import ssl
import struct
import threading

PATIENCE = 120
RECIPIENTS = ["h1a@example.com", "h1b@example.com", "h2a@example.com", "h2b@example.com", "defer@example.com",
              "reject@example.com", "drop@example.com", "nobody@example.com", "a@elsewhere.test"]
SENDERS = ["<>", "<a@slow.test>", "<a@junk.test>", "<a@client.test>", '<"a b"@big.test>', "<a@[192.0.2.1]>"]
CONTEXT = ssl._create_unverified_context()


class Ledger:
    """What clients were told, by message and recipient."""

    def __init__(self):
        self.lock = threading.Lock()
        self.promised, self.refused = set(), set()

    def note(self, message, recipients, code):
        with self.lock:
            (self.promised if code == 250 else self.refused).update((message, each) for each in recipients)


class Gone(Exception):
    """The connection has ended, or says nothing any more."""


class Client:
    def __init__(self, random, ports, ledger, name):
        self.random, self.ledger, self.name = random, ledger, name
        self.kind = random.choice(sorted(ports))
        self.port, self.input, self.number, self.tls = ports[self.kind], b"", 0, self.kind == "tls"
        self.recipients, self.chunks = [], None

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as self.socket:
                self.begin()
                for _ in range(self.random.randrange(1, 25)):
                    self.random.choice(self.ACTIONS)(self)
        except TimeoutError:
            raise
        except (Gone, OSError, ValueError):
            pass  # ValueError: Python's ssl, of what is no TLS any more
        finally:
            self.socket.close()

    # ---- The connection ----

    def send(self, data):
        """Cut at random places."""
        while data:
            size = len(data) if self.random.random() < 0.7 else self.random.randrange(1, len(data) + 1)
            self.socket.sendall(data[:size])
            data = data[size:]

    def line(self):
        while b"\n" not in self.input:
            got = self.socket.recv(65536)
            if not got:
                raise Gone
            self.input += got
        line, self.input = self.input.split(b"\n", 1)
        assert line.endswith(b"\r") and line[:3].isdigit() and line[3:4] in b" -", line
        return line

    def reply(self):
        line = self.line()
        while line[3:4] == b"-":
            line = self.line()
        return int(line[:3])

    def command(self, text):
        self.send(text.encode("latin-1") + b"\r\n")
        return self.reply()

    def wrap(self):
        self.socket.settimeout(PATIENCE)
        self.socket = CONTEXT.wrap_socket(self.socket, suppress_ragged_eofs=True)
        self.tls, self.recipients, self.chunks = True, [], None

    def begin(self):
        if self.kind == "proxy":
            self.send_proxy()
        if self.kind == "tls":
            self.wrap()
        if self.random.random() < 0.05:
            self.send(self.noise().replace(b"\n", b""))  # joins the next line, so that replies are still told apart
        self.reply()
        self.greet()

    def send_proxy(self):
        v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H4s4sHH", 12, b"\xc0\0\2\1", b"\x7f\0\0\1", 5000, 25)
        self.send(self.random.choice([b"PROXY TCP4 192.0.2.1 127.0.0.1 5000 25\r\n", b"PROXY UNKNOWN\r\n", v2,
                                      b"PROXY TCP6 2001:db8::1 ::1 5000 25\r\n", b"PROXY nonsense\r\n", v2[:9] + b"x"]))

    # ---- What it does ----

    def greet(self):
        self.command(self.random.choice(["LHLO client.test"] if self.kind == "lmtp" and self.random.random() < 0.9 else
                                        ["EHLO client.test", "HELO client.test", "EHLO [192.0.2.1]", "ehlo x(y;z"]))

    def start_tls(self):
        if self.command("STARTTLS") != 220:
            return
        if self.random.random() < 0.1:
            self.send(self.noise())
            raise Gone
        self.wrap()
        self.greet()

    def log_in(self):
        secret = self.random.choice(["\0printer\0secret", "\0printer\0secret", "\0printer\0wrong", "\0\0", "x"])
        code = self.command(self.random.choice(["AUTH PLAIN " + base64.b64encode(secret.encode()).decode(), "AUTH PLAIN",
                                                "AUTH LOGIN", "AUTH PLAIN =", "AUTH X"]))
        for _ in range(2):
            if code == 334:
                code = self.command(self.random.choice(["cHJpbnRlcg==", "c2VjcmV0", "*", "!!"]))

    def mail(self):
        if self.command("MAIL FROM:" + self.random.choice(SENDERS) + self.random.choice(
                ["", "", " BODY=8BITMIME", " BODY=BINARYMIME", " SIZE=100", " SIZE=99999999999", " SMTPUTF8", " X=Y"])) == 250:
            self.recipients, self.chunks = [], None

    def rcpt(self):
        recipient = self.random.choice(RECIPIENTS)
        if recipient not in self.recipients and self.command("RCPT TO:<%s>" % recipient) == 250:
            self.recipients.append(recipient)

    def transact(self):
        self.mail()
        for _ in range(self.random.randrange(1, 4)):
            self.rcpt()
        self.random.choice([self.data, self.bdat])()

    def message(self):
        self.number += 1
        identity = "%s-%d@driver.test" % (self.name, self.number)
        body = self.random.choice([b"Some text.\r\n", self.noise() + b"\r\n", b"line\r\n" * 5000, b"\1" * 900 + b"\r\n",
                                   b"--x\r\nContent-Type: text/html\r\n\r\n<p>\r\n--x--\r\n", b"..\r\n..x\r\n"])
        fields = self.random.choice([b"", b"From: a@slow.test\r\n", b"From: a@junk.test, b@big.test\r\n", b"no field\r\n",
                                     b"DKIM-Signature: v=1; a=rsa-sha256; d=junk.test; s=s; h=from; bh=x; b=y\r\n",
                                     b"Content-Type: multipart/mixed; boundary=x\r\n", b"X" + self.noise().replace(b"\n", b"") + b"\r\n"])
        return identity, b"Message-ID: <%s>\r\n" % identity.encode() + fields + b"\r\n" + body

    def conclude(self, identity):
        """LMTP answers for each recipient; a refusal of all may be one reply, which then was of another kind."""
        recipients, self.recipients, self.chunks = self.recipients, [], None
        if self.kind == "lmtp":
            for recipient in recipients:
                self.ledger.note(identity, [recipient], self.reply())
        else:
            self.ledger.note(identity, recipients, self.reply())

    def data(self):
        identity, message = self.message()
        if self.command("DATA") != 354:
            return
        message = message.replace(b"\r\n.", b"\r\n..")
        if self.random.random() < 0.1:
            self.send(message[:self.random.randrange(len(message))])
            raise Gone
        self.send(message + b"\r\n.\r\n")
        self.conclude(identity)

    def bdat(self):
        identity, message = self.message()
        pieces = self.random.randrange(1, 4)
        for piece in range(pieces):
            chunk = message[len(message) * piece // pieces:len(message) * (piece + 1) // pieces]
            last = piece == pieces - 1
            self.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b""))
            if self.random.random() < 0.05:
                raise Gone
            self.send(chunk)
            if last and self.recipients:
                self.conclude(identity)
            elif self.reply() != 250:
                self.recipients = []
                return

    def pipeline(self):
        """All at once, with what a proxy or a browser would say among it; its replies are not told apart."""
        self.recipients = []
        self.send(b"".join(self.random.choice(
            [b"NOOP\r\n", b"RSET\r\n", b"VRFY a\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<nobody@example.com>\r\n", b"HELP\r\n",
             b"\r\n", b"EHLO \xff\r\n", b"XCLIENT ADDR=192.0.2.1\r\n", b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", self.noise()])
                           for _ in range(self.random.randrange(1, 20))) + b"\r\nRSET\r\nQUIT\r\n")
        while True:
            self.line()

    def noise(self):
        return bytes(self.random.randrange(256) for _ in range(self.random.randrange(300)))

    def reset(self):
        if self.command("RSET") == 250:
            self.recipients = []

    def browse(self):
        self.command(self.random.choice(["GET / HTTP/1.1", "NOOP", "NOOP", "VRFY x", "EXPN x", "HELP"]))

    def greet_again(self):
        self.recipients = []
        self.greet()

    def leave(self):
        if self.random.random() < 0.5:
            self.command("QUIT")
        raise Gone

    ACTIONS = [transact] * 8 + [mail, rcpt, data, bdat, start_tls, start_tls, log_in, pipeline, reset, browse, greet_again, leave]
