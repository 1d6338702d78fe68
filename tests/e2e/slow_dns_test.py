"""A flood of messages whose senders' DNS never answers: the mail of others is taken as ever.

MXHOOK_FLOOD=SECONDS floods for so long, by a hundred messages a second, and prints what the others were answered.
"""

import collections
import itertools
import os
import socket
import sys
import threading
import time
import unittest

import harness
from harness import PATIENCE, mail, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../auth"))

import nameservers  # noqa: E402

WAITING = 40  # smtp.max_waiting; a network has a quarter of it
CONFIG = """dns = { resolvers = { "127.0.0.1:%d" } } auth = { timeout = "%ds", reverse_name = false }
smtp = { max_waiting = %d }
access = { unlimited = {}, messages_per_minute = 0 }
"""


def is_slow(name):
    return name.endswith("slow.test")


def converse(mx, number, network):
    """A connection from 127.0.network.1 whose one message is waited for."""
    client = socket.create_connection(("127.0.0.1", mx.port), PATIENCE, ("127.0.%d.1" % network, 0))
    client.recv(1000)
    client.sendall(b"EHLO client.test\r\nMAIL FROM:<a@n%d.slow.test>\r\nRCPT TO:<hook@example.com>\r\nDATA\r\n"
                   b"Subject: x\r\n\r\nx\r\n.\r\n" % number)
    return client


class SlowDns(harness.TestCase):
    def start(self, waiting=WAITING, timeout=20):
        self.dns = nameservers.FaultyServer(lambda name, kind: None if is_slow(name) else 3)
        self.addCleanup(self.dns.close)
        receiver = self.receiver()
        return receiver, self.server(self.to(receiver), CONFIG % (self.dns.port, timeout, waiting))

    def asked(self):
        """Messages that wait for DNS, or have."""
        return len({name for name, _ in list(self.dns.questions) if name.startswith("n") and is_slow(name)})

    def flood(self, mx, count, networks):
        for number in range(count):
            self.addCleanup(converse(mx, number, 10 + number % networks).close)

    def send_many(self, mx, count):
        """What they were answered."""
        answers = collections.Counter()
        with mx.smtp() as client:
            client.ehlo()
            for number in range(count):
                code, _ = client.mail("ann@fine.test")
                if code == 250:
                    client.rcpt("hook@example.com")
                    code, _ = client.data(mail(message_id="%d@fine.test" % number))
                answers[code] += 1
        return answers

    def test_others_are_not_kept_out(self):
        """Three times as many wait for DNS as may wait for a worker, from as many networks as it takes."""
        receiver, mx = self.start()
        self.flood(mx, 3 * WAITING, 3 * WAITING)
        wait_until(lambda: self.asked() == 3 * WAITING, "the questions")
        self.assertEqual(self.send_many(mx, 149), {250: 149})
        receiver.wait_for(149)

    def test_a_network_has_its_share(self):
        """All from one: a quarter is waited for, the rest is told to come back, and others are not kept out."""
        receiver, mx = self.start()
        self.flood(mx, WAITING // 4, 1)
        wait_until(lambda: self.asked() == WAITING // 4, "the questions")
        with converse(mx, 9999, 10) as client:
            answer = b""
            while b"451" not in answer:
                got = client.recv(1000)
                self.assertTrue(got, answer)
                answer += got
        self.assertEqual(self.asked(), WAITING // 4)
        self.assertEqual(self.send_many(mx, 20), {250: 20})
        receiver.wait_for(20)

    def test_their_own_mail_is_taken_in_the_end(self):
        """No answer is a temperror, and no reason to refuse."""
        receiver, mx = self.start(timeout=1)
        client = converse(mx, 1, 10)
        receiver.wait_for(1)
        client.close()

    @unittest.skipUnless("MXHOOK_FLOOD" in os.environ, "a measurement, by hand")
    def test_flood(self):
        _, mx = self.start(waiting=500)
        over, seconds, answers = threading.Event(), float(os.environ["MXHOOK_FLOOD"]), collections.Counter()

        def flood():
            clients, begin = collections.deque(), time.monotonic()
            for number in itertools.count():
                clients.append(converse(mx, number, 10 + number % 200))
                if len(clients) > 900:
                    clients.popleft().close()
                if over.wait(max(0, begin + number / 100 - time.monotonic())):
                    break
            for client in clients:
                client.close()

        thread = threading.Thread(target=flood)
        thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answers += self.send_many(mx, 1)
        over.set()
        thread.join()
        print("%d of the flood's messages waited for DNS; others: %s" % (self.asked(), dict(answers)))
        self.assertEqual(set(answers), {250})


if __name__ == "__main__":
    unittest.main()
