"""mailserver.py - an SMTP server for tests, which keeps what it gets and fails where it is told to.

answer(command, argument, session) is asked before each reply: None lets the command go on; a string such
as "450 4.2.0 later" is the reply; HANG says nothing any more; CLOSE closes. The commands are CONNECT, EHLO,
HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, END (of DATA) and QUIT.
"""

import base64
import socket
import threading

HANG, CLOSE = object(), object()


class Message:
    def __init__(self, sender, parameters, recipient, data, session):
        self.sender, self.parameters, self.recipient, self.data = sender, parameters, recipient, data
        self.tls, self.user, self.helo, self.session = session.tls, session.user, session.helo, session

    @property
    def head(self):
        return self.data.split(b"\r\n\r\n", 1)[0]

    def fields(self, name):
        """Unfolded values of a field, in order."""
        unfolded = self.head.replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ").decode()
        return [line.split(":", 1)[1].strip() for line in unfolded.split("\r\n")
                if line.lower().startswith(name.lower() + ":")]


class Session:
    def __init__(self, server, connection):
        self.server, self.connection = server, connection
        self.tls, self.user, self.helo = False, None, None
        self.sender = self.recipient = None
        self.input = b""

    def line(self):
        while b"\r\n" not in self.input:
            got = self.connection.recv(65536)
            if not got:
                raise ConnectionError
            self.input += got
        line, self.input = self.input.split(b"\r\n", 1)
        return line.decode()

    def say(self, *lines):
        self.connection.sendall("".join(line + "\r\n" for line in lines).encode())

    def asked(self, command, argument=""):
        """True: it goes on."""
        self.server.commands.append((command, argument))
        answer = self.server.answer(command, argument, self)
        if answer is HANG:
            self.server.stopped.wait()
        if answer is HANG or answer is CLOSE:
            raise ConnectionError
        if answer is not None:
            self.connection.sendall(answer if isinstance(answer, bytes) else (answer + "\r\n").encode())
        return answer is None

    def run(self):
        if self.asked("CONNECT"):
            self.say("220 %s ESMTP" % self.server.name)
        while True:
            verb, _, argument = self.line().partition(" ")
            handler = getattr(self, "do_" + verb.lower(), None)
            if not handler:
                self.say("500 5.5.1 what?")
            elif self.asked(verb.upper(), argument):
                handler(argument)
            if verb.upper() == "QUIT":
                return

    def do_ehlo(self, argument):
        self.helo = argument
        keywords = [self.server.name] + self.server.keywords
        if self.server.tls and not self.tls:
            keywords.append("STARTTLS")
        if self.server.users:
            keywords.append("AUTH PLAIN LOGIN")
        self.say(*["250%s%s" % (" " if n == len(keywords) - 1 else "-", each)
                   for n, each in enumerate(keywords)])

    def do_helo(self, argument):
        self.helo = argument
        self.say("250 " + self.server.name)

    def do_starttls(self, _):
        self.say("220 2.0.0 go")
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.tls, self.input = True, b""

    def do_auth(self, argument):
        method, _, initial = argument.partition(" ")
        if method != "PLAIN":
            return self.say("504 5.5.4 no such mechanism")
        if not initial:
            self.say("334 ")
            initial = self.line()
        _, user, password = base64.b64decode(initial).decode().split("\0")
        if self.server.users.get(user) != password:
            return self.say("535 5.7.8 no")
        self.user = user
        return self.say("235 2.7.0 yes")

    def do_mail(self, argument):
        path, _, self.parameters = argument[5:].partition("> ")
        self.sender, self.recipient = path.strip("<>"), None
        self.say("250 2.1.0 ok")

    def do_rcpt(self, argument):
        self.recipient = argument[3:].strip("<>")
        self.say("250 2.1.5 ok")

    def do_data(self, _):
        if self.recipient is None:  # RFC 2920: it is pipelined
            return self.say("503 5.5.1 no recipient")
        self.say("354 go")
        data = bytearray(b"\r\n" + self.input)
        searched = 0
        while (end := data.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(data) - 4)
            got = self.connection.recv(65536)
            if not got:
                self.server.truncated.append(bytes(data[2:]))
                raise ConnectionError
            data += got
        self.input = bytes(data[end + 5:])  # QUIT, where it is pipelined
        data = bytes(data[:end + 2]).replace(b"\r\n..", b"\r\n.")[2:]
        if self.asked("END"):
            self.server.messages.append(
                Message(self.sender, self.parameters, self.recipient, data, self))
            self.say("250 2.0.0 queued as %d" % len(self.server.messages))
        return None

    def do_quit(self, _):
        self.say("221 2.0.0 bye")


class MailServer:
    def __init__(self, answer=lambda command, argument, session: None, address="127.0.0.1", port=0,
                 name="mail.test", tls=None, implicit=False, users=None,
                 keywords=("SIZE 10000000", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES")):
        self.answer, self.name, self.tls, self.implicit = answer, name, tls, implicit
        self.users, self.keywords = users or {}, list(keywords)
        self.messages, self.commands, self.truncated, self.connections = [], [], [], 0
        self.stopped = threading.Event()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        session = Session(self, connection)
        try:
            if self.implicit:
                session.connection = self.tls.wrap_socket(connection, server_side=True)
                session.tls = True
            session.run()
        except (OSError, UnicodeDecodeError):
            pass  # the client broke off, or is to see that we do
        finally:
            session.connection.close()

    def close(self):
        if self.stopped.is_set():
            return
        self.stopped.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
