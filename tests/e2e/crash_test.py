"""kill -9 under load: nothing that was acknowledged is lost. (A long form comes with the fault tests.)"""

import random
import smtplib
import threading
import time
import unittest

import harness

ROUNDS = 3
SENDERS = 4


class Crash(harness.TestCase):
    def load(self, mx, prefix, acknowledged, stop):
        number = 0
        while not stop.is_set():
            try:
                with mx.smtp() as client:
                    while not stop.is_set():
                        number += 1
                        message_id = "%s-%d@client.test" % (prefix, number)
                        client.sendmail("a@client.test", ["hook@example.com"],
                                        harness.mail(message_id=message_id))
                        acknowledged.append(message_id)
            except (smtplib.SMTPException, OSError):
                pass  # killed: the message was not acknowledged

    def test_nothing_acknowledged_is_lost(self):
        # Some answers are slow, so that deliveries are under way when it is killed.
        sink = self.receiver(lambda post: time.sleep(random.random() / 50) or 200)
        mx = self.server(self.to(sink))
        acknowledged = []
        for round_number in range(ROUNDS):
            stop = threading.Event()
            threads = [threading.Thread(target=self.load,
                                        args=(mx, "%d-%d" % (round_number, n), acknowledged, stop))
                       for n in range(SENDERS)]
            for thread in threads:
                thread.start()
            time.sleep(random.uniform(0.3, 1))
            mx.kill()
            stop.set()
            for thread in threads:
                thread.join()
            mx.start()
        harness.wait_until(lambda: not mx.command("queue", "list").stdout, "an empty queue")
        arrived = {}
        for post in sink.posts:
            arrived.setdefault(post.json["message-id"], set()).add(post.id)
        self.assertGreater(len(acknowledged), 10)
        self.assertEqual([each for each in acknowledged if each not in arrived], [])
        # What arrived twice carries the same webhook-id, so that a receiver can drop it.
        self.assertTrue(all(len(ids) == 1 for ids in arrived.values()))


if __name__ == "__main__":
    unittest.main()
