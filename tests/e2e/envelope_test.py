"""What devices really send, to mxhook and to Debian's Postfix: both take the same, but for what is listed."""

import socket
import unittest

import harness
import postfix
from ports import reserve_port


MAIL = r"""
a@b.example SIZE=1|a@b.example|<a@b.example>SIZE=1|<a@b.example>	SIZE=1|	<a@b.example>|<<a@b.example>>
< a@b.example >|<Bobby Smith <b@x.example>>|<a..b@x.example>|<a.@x.example>|<.a@x.example>|<a@x.example.>
<a@x.example..>|<a@x..example>|<a@.x.example>|<a@sub.x.example.>|<a@[192.0.2.1]>|<a@[192.0.2.1].>|<a@[192.0.2.1]
<a@[192.0.2.1>|<a@[IPv6:2001:db8::1]>|<>|< >|<postmaster@>|<@r.example:a@x.example>|@r.example:a@x.example
<@r.example,@s.example:a@x.example>|<"a b"@x.example>|"a b"@x.example|<a b@x.example>|a b@x.example|<"a@b"@x.example>
<a@x.example> (comment)|<a@x.example> SIZE=1 SIZE=2|<a@x.example> FOO=1|<a@x.example> FOO|<a@x.example> BODY=9BIT
<a@x.example> BODY=8BITMIME BODY=7BIT|<a@x.example> SIZE=|<a@x.example> SIZE=abc|<a@x.example> ENVID=a=b@c
<a@x.example> ENVID=X:+20[/x+3dy+20z|<a@x.example> AUTH=<bounces+SRS=N=YB@a.example>|<a@x.example> AUTH=<>
<a@x.example> SMTPUTF8|<jörg@x.example> SMTPUTF8|<a@x_y.example>|<a@-x.example>|<a@x.example,b@y.example>
<a@x.example>,<b@y.example>|<a;b@x.example>|a@x.example>|<a@x.example|<a@x.example>>|<"a\"b"@x.example>
"a@x.example"|<"a@x.example">|<""@x.example>|<a%b@x.example>|<x!a@x.example>|<a@b.example> <c@d.example>
<a <b@x.example>|<b@x.example a>
"""
RCPT = r"""
user@example.com|<user@example.com>|<user@example.com.>|<User <user@example.com>>|<user@example.com >|<postmaster>
<PostMaster>|postmaster|<postmaster@>|<"postmaster">|<>|<user@example.com> ORCPT=rfc822;SRS0=x=y=a.example=b@example.com
<user@example.com> ORCPT=rfc822;a+3db@example.com|<user@example.com> NOTIFY=FAILURE,|<user@example.com> FOO=1
<foo@xn--bcher-kva.example>|<a..b@example.com>|<"a b"@example.com>|<@evil.example:user@example.com>
<user@evil.example@example.com>|<user@example.com@evil.example>|<user@[127.0.0.1]>|"user"@example.com
<user@example.com>x|<user@evil.example>|user@evil.example|<user@evil.example.>
"""
# Taken here though Postfix refuses it, with the reason.
ONLY_HERE = {
    "MAIL FROM:Bobby <b@x.example>",  # a phrase before the brackets
    "RCPT TO:<foo@bücher.example>",  # Postfix has the U-label as another domain
    "HELO", "EHLO",  # without a name
    "RCPT TO:<user@example.com> NOTIFY=OFTEN",  # it has no effect here
}
# Taken by Postfix, but refused here, since what is meant is a guess.
ONLY_THERE = {
    "MAIL FROM:<a@[192.0.2.1>", "MAIL FROM:<a@b@x.example>", "MAIL FROM:<a(comment)@x.example>", "MAIL FROM:<a:b@x.example>",
    "MAIL FROM:<mailto:a@x.example>", "MAIL FROM:<@x.example>", "MAIL FROM:<undisclosed-recipients:;>",
    "MAIL FROM:<root>",  # smtp.append_domain takes it
    "MAIL FROM:<jörg@x.example>",  # without SMTPUTF8
}
COMMANDS = ["EHLO My Printer", "HELO My Printer", "HELO MÜLLER-PC", "EHLO x", " NOOP", "RSET", "RSET now", "NOOP x",
            "MAIL\tFROM:<a@b.example>", "RSET", "MAIL FROM :<a@b.example>", "MAIL FROM<a@b.example>",
            "MAIL <a@b.example>", "VRFY", "QUIT now"]


def lines(text):
    return [line for line in text.strip("\n").replace("\n", "|").split("|")]


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=harness.PATIENCE)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return line.decode(errors="replace").strip()

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


@postfix.needed
class Envelope(harness.TestCase):
    def setUp(self):
        super().setUp()
        port = reserve_port()
        peer = postfix.Postfix("""
            relay_domains = example.com, xn--bcher-kva.example
            relay_recipient_maps = static:all
            smtpd_recipient_restrictions = permit_auth_destination, reject
            smtpd_error_sleep_time = 0
            """, port)
        self.addCleanup(peer.close)
        mx = self.server({"all.lua": 'return function() return "null" end'},
                         'domains = { "example.com", "bücher.example" }\n')
        self.ports = mx.port, port

    def answers(self, *said):
        """Of mxhook and of Postfix, to the last line."""
        found = []
        for port in self.ports:
            client = Client(port)
            for line in said:
                reply = client.say(line)
            client.close()
            found.append(reply)
        return found

    def compare(self, *said):
        here, there = self.answers(*said)
        with self.subTest(line=said[-1], here=here, postfix=there):
            if said[-1] in ONLY_HERE:
                self.assertEqual((here[0], there[0]), ("2", "5"))
            elif said[-1] in ONLY_THERE:
                self.assertEqual((here[0], there[0]), ("5", "2"))
            else:
                self.assertEqual(here[0], there[0])

    def test_mail(self):
        for line in [*lines(MAIL), "Bobby <b@x.example>"]:
            self.compare("EHLO client.example", "MAIL FROM:" + line)
        for line in ONLY_THERE:
            self.compare("EHLO client.example", line)

    def test_rcpt(self):
        for line in [*lines(RCPT), "<foo@bücher.example>", "<user@example.com> NOTIFY=OFTEN"]:
            self.compare("EHLO client.example", "MAIL FROM:<a@b.example> SMTPUTF8", "RCPT TO:" + line)

    def test_commands(self):
        for count in range(1, len(COMMANDS) + 1):
            self.compare(*COMMANDS[:count])
        for line in ("HELO", "EHLO"):
            self.compare(line)


if __name__ == "__main__":
    unittest.main()
