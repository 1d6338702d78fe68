"""A 250 that its client never got: what it sends again is answered as the first time, and delivered once."""

import re
import socket
import struct
import unittest

import harness
from harness import mail, wait_until

FROM, TO = "sender@client.test", "hook@example.com"


class Client:
    """SMTP by hand, from an address of 127.0.0.0/8 or by a Unix-domain socket."""

    def __init__(self, test, address, source="127.0.0.1", hello="EHLO client.test"):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(harness.PATIENCE)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(("127.0.0.1", address), harness.PATIENCE, (source, 0))
        test.addCleanup(self.socket.close)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.say(hello)

    def reply(self):
        while True:
            line = self.file.readline().decode()
            if line[3:4] != "-":
                return line.rstrip("\r\n")

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def envelope(self, recipients=(TO,)):
        self.say("MAIL FROM:<%s>" % FROM)
        for recipient in recipients:
            self.say("RCPT TO:<%s>" % recipient)

    def start(self, message, recipients=(TO,)):
        """All but the reading of the last reply."""
        self.envelope(recipients)
        self.say("DATA")
        self.socket.sendall(message + b".\r\n")

    def whole(self, message, recipients=(TO,)):
        self.start(message, recipients)
        return [self.reply() for _ in recipients]

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.hang_up()

    def hang_up(self):
        self.file.close()
        self.socket.close()


def id_of(reply):
    return re.search(r"queued as ([\w-]+)", reply).group(1)


class LostReply(harness.TestCase):
    def setUp(self):
        self.sink = self.receiver()
        self.mx = self.server(self.to(self.sink))

    def client(self, **named):
        return Client(self, self.mx.port, **named)

    def lose(self, message, how="hang_up", **named):
        """The first id of a message whose reply the client does not read."""
        seen, accepted = len(self.mx.logged("reply-lost")), len(self.mx.logged("accepted"))
        client = self.client(**named)
        client.start(message)
        wait_until(lambda: len(self.mx.logged("accepted")) > accepted, "the commit")
        getattr(client, how)()
        wait_until(lambda: len(self.mx.logged("reply-lost")) == seen + 1, "the loss")
        return id_of(self.mx.logged("accepted")[-1])

    def expect(self, posts):
        self.sink.wait_for(posts)
        self.assertEqual(len({post.id for post in self.sink.posts}), posts)

    def test_a_client_that_drops_unread_and_resends_is_answered_with_the_first_id(self):
        for number, how in enumerate(("hang_up", "reset")):
            message = mail("by " + how)
            first = self.lose(message, how)
            client = self.client()
            again, = client.whole(message)
            self.assertEqual((again[:3], id_of(again)), ("250", first))
            self.mx.wait_logged("resent", first)
            third, = client.whole(message)  # it has that reply now: a third one is another message
            self.assertNotEqual(id_of(third), first)
            client.say("QUIT")
            self.expect(2 * number + 2)

    def test_a_client_that_is_gone_before_the_commit(self):
        client = self.client()
        client.start(mail())
        client.hang_up()  # nothing to read yet, so this is a mere FIN
        self.mx.wait_logged("reply-lost")
        again, = self.client().whole(mail())
        self.assertIn(id_of(again), self.mx.logged("accepted")[0])
        self.expect(1)

    def test_another_body_another_network_and_another_envelope_are_none(self):
        self.lose(mail("one"))
        for named, recipients, message in (({}, [TO], mail("two")), ({"source": "127.0.1.1"}, [TO], mail("one")),
                                           ({}, ["other@example.com"], mail("one"))):
            client = self.client(**named)
            client.whole(message, recipients)
            client.say("QUIT")
        self.assertEqual(self.mx.logged("resent"), [])
        again, = self.client(source="127.0.0.77").whole(mail("one"))
        self.mx.wait_logged("resent", id_of(again))
        self.expect(4)

    def test_who_has_read_the_reply_may_send_the_same_again(self):
        for end in (lambda client: client.say("QUIT"), lambda client: client.hang_up(), lambda client: client.reset(),
                    lambda client: client.say("NOOP")):
            client = self.client()
            client.whole(mail("an alarm"))
            client.say("RSET")
            end(client)
        client = self.client()
        client.whole(mail("an alarm"))
        client.hang_up()  # without a word, but the reply is read
        self.client().whole(mail("an alarm"))
        self.expect(6)
        self.assertEqual(self.mx.logged("resent"), [])

    def test_by_bdat_and_pipelined(self):
        client = self.client()
        message = mail("a chunk")
        client.envelope()
        client.socket.sendall(b"BDAT %d LAST\r\n" % len(message) + message + b"QUIT\r\n")
        self.mx.wait_logged("accepted")
        client.reset()
        self.mx.wait_logged("reply-lost")
        client = self.client()
        client.envelope()
        client.socket.sendall(b"BDAT %d LAST\r\n" % len(message) + message)
        self.assertIn(id_of(client.reply()), self.mx.logged("accepted")[0])
        # Two whole messages in one piece, of which no reply is read.
        piece = b"".join(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nBDAT %d LAST\r\n" % (FROM.encode(), TO.encode(), len(each)) + each
                         for each in (mail("first"), mail("second")))
        client = self.client()
        client.socket.sendall(piece)
        wait_until(lambda: len(self.mx.logged("accepted")) == 3, "two commits")
        client.reset()
        wait_until(lambda: len(self.mx.logged("reply-lost")) == 3, "two losses")
        client = self.client()
        replies = [client.whole(each)[0] for each in (mail("second"), mail("first"))]
        ids = [id_of(line) for line in self.mx.logged("accepted")[1:]]
        self.assertEqual([id_of(reply) for reply in replies], ids[::-1])
        self.expect(3)

    def test_a_large_one(self):
        message = mail("large", text="x" * 70 + ("\r\n" + "y" * 70) * 5000)
        first = self.lose(message)
        self.assertEqual(id_of(self.client().whole(message)[0]), first)
        self.lose(message)
        self.assertNotEqual(id_of(self.client().whole(message[:-3] + b"z\r\n")[0]), first)

    def test_lmtp_has_a_reply_for_each(self):
        path = self.mx.folder + "/lmtp"
        rules = {"10.lua": "return function(msg) if msg.envelope.recipient:match('^no') then "
                           "return require('mxhook.route').defer('later') end return '%s/' end" % self.sink.url}
        mx = self.server(rules, 'listen = { "127.0.0.1:0", { address = "unix:%s", protocol = "lmtp" } }' % path)
        recipients = ["a@example.com", "no@example.com", "b@example.com"]
        client = Client(self, path, hello="LHLO client.test")
        client.start(mail(), recipients)
        wait_until(lambda: len(mx.logged("accepted")) == 2, "the commit")
        client.hang_up()
        mx.wait_logged("reply-lost")
        replies = Client(self, path, hello="LHLO client.test").whole(mail(), recipients)
        self.assertEqual([reply[:3] for reply in replies], ["250", "451", "250"])
        mx.wait_logged("resent")
        alone, = Client(self, path, hello="LHLO client.test").whole(mail(), recipients[1:2])
        self.assertEqual(alone[:3], "451")
        self.expect(2)

    def test_it_is_forgotten_at_a_restart(self):
        first = self.lose(mail())
        self.assertEqual(self.mx.stop(), 0)
        self.mx.start()
        self.assertNotEqual(id_of(self.client().whole(mail())[0]), first)
        self.expect(2)


if __name__ == "__main__":
    unittest.main()
