"""deliver.on_failure: an operator's URL is told of each delivery that has failed for good."""

import base64
import hashlib
import hmac
import os
import time
import unittest

import harness

SECRET = base64.b64encode(b"a key of an operator's").decode()


class Notice(harness.TestCase):
    def setUp(self):
        os.environ["MXHOOK_TEST_SECRET"] = "whsec_" + SECRET
        self.addCleanup(os.environ.pop, "MXHOOK_TEST_SECRET")
        self.sink, self.ops = self.receiver(lambda post: 500), self.receiver(lambda post: 503)
        self.mx = self.server(self.to(self.sink), """deliver = { attempts = 1, on_failure = { url = "%s/failed",
            secret = "env:MXHOOK_TEST_SECRET", schedule = { "300ms" }, attempts = 100 } }""" % self.ops.url)

    def list(self):
        return self.mx.command("queue", "list").stdout.splitlines()

    def test_it_survives_a_kill_and_is_signed(self):
        self.mx.send(harness.mail(), recipients=["sales@example.com"])
        self.ops.wait_for(1)
        failed = self.sink.posts[0].id
        self.mx.kill()
        self.assertEqual(len(self.list()), 2)
        mail, notice = self.list()
        self.assertIn(" failed ", mail)
        self.assertIn(" waiting ", notice)
        self.assertIn("%s/failed (tells that %s has failed)" % (self.ops.url, failed), notice)
        self.assertIn("about        " + failed, self.mx.command("queue", "show", notice.split()[0]).stdout)

        self.ops.answer = lambda post: 200
        self.mx.start()
        harness.wait_until(lambda: len(self.list()) == 1, "the notice's delivery")
        first, last = self.ops.posts[0], self.ops.posts[-1]
        self.assertEqual((first.id, first.body), (last.id, last.body))
        text = "%s.%s." % (last.id, last.headers["webhook-timestamp"])
        signature = hmac.new(base64.b64decode(SECRET), text.encode() + last.body, hashlib.sha256).digest()
        self.assertEqual(last.headers["webhook-signature"], "v1," + base64.b64encode(signature).decode())
        self.assertEqual(last.json["type"], "delivery.failed")
        data = last.json["data"]
        self.assertEqual((data["id"], data["message"]), (failed, failed.rpartition("-")[0]))
        self.assertEqual((data["sender"], data["recipient"]), ("sender@client.test", "sales@example.com"))
        self.assertEqual((data["attempts"], data["status"], data["error"]), (1, 500, "answered 500"))
        self.assertEqual(data["destination"], self.sink.url + "/")
        self.assertTrue(data["accepted"] <= data["attempted"] <= last.json["timestamp"])

    def test_another_failure_of_the_same_is_another_notice(self):
        self.ops.answer = lambda post: 200
        self.mx.send(harness.mail())
        self.ops.wait_for(1)
        self.mx.command("queue", "retry", self.sink.posts[0].id)
        first, second = self.ops.wait_for(2)
        self.assertNotEqual(first.id, second.id)
        self.assertEqual(first.json["data"]["id"], second.json["data"]["id"])

    def test_a_notice_that_fails_is_kept_and_told_to_nobody(self):
        self.ops.answer = lambda post: 410
        self.mx.send(harness.mail())
        harness.wait_until(lambda: sum(" failed " in line for line in self.list()) == 2, "two failures")
        self.assertEqual(len(self.ops.posts), 1)
        self.mx.wait_logged("notice", "about=" + self.sink.posts[0].id)

    def test_what_has_waited_too_long_is_told(self):
        self.ops.answer = lambda post: 200
        self.mx.write("mxhook.lua", """
            hostname = "mx.test"
            domains = { "example.com" }
            listen = { "127.0.0.1:0" }
            spool = { directory = "spool", max_age = "1s" }
            deliver = { attempts = 9, schedule = { "1h" }, on_failure = "%s/failed" }
            """ % self.ops.url + harness.NO_DNS)
        self.assertEqual(self.mx.stop(), 0)
        self.mx.start()
        self.mx.send(harness.mail())
        self.mx.wait_logged("retry")
        time.sleep(1.1)
        self.assertEqual(self.mx.stop(), 0)
        self.mx.start()  # looks for what is too old at once, then each minute
        data = self.ops.wait_for(1)[0].json["data"]
        self.assertEqual((data["id"], data["attempts"]), (self.sink.posts[0].id, 1))
        self.assertIn("spool.max_age", data["error"])
        self.mx.wait_logged("undelivered", data["id"])


if __name__ == "__main__":
    unittest.main()
