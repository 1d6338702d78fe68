"""alias.http for a message of many recipients: all are asked about at once, and each is answered as if it were alone."""

import smtplib
import threading
import unittest

import harness
from application import Application

PATIENT = 'wait = "10s", timeout = "30s"'


def lookups(url, options=PATIENT):
    return 'lookups = { crm = { url = "%s", %s } }\n' % (url, options)


class LookupMany(harness.TestCase):
    def application(self, answer):
        application = Application(answer)
        self.addCleanup(application.close)
        return application

    def test_several_recipients_are_asked_about_at_once(self):
        """The application answers nobody until it was asked about all of them; after that it answers one at a time."""
        sink, count, options = self.receiver(), 40, PATIENT + ', ttl = "1ms", negative_ttl = "1ms"'
        together, one = threading.Barrier(count), threading.Lock()

        def answer(address):
            together.wait(60)
            with one:
                return None if address.startswith("none") else sink.url + "/" + address.split("@")[0]

        application = self.application(answer)
        mx = self.server({"05-first.lua": 'local store = require "mxhook.store" '
                                          'return function(msg) log("run " .. store.add("runs", 1) .. ".") end',
                          "10-crm.lua": 'return alias.http("crm")',
                          "20.lua": 'return function() return "%s/other" end' % sink.url}, lookups(application.url, options))
        known = ["a%d@example.com" % i for i in range(count - 1)]
        mx.send(harness.mail(), known[:20] + ["none@example.com"] + known[20:])
        posts = sink.wait_for(count)
        self.assertEqual(sorted(post.path for post in posts), sorted(["/a%d" % i for i in range(count - 1)] + ["/other"]))
        self.assertEqual(len(application.asked), count)
        self.assertIn("run 40.", mx.log())
        self.assertNotIn("run 41.", mx.log())

    def test_as_many_are_asked_at_once_as_the_application_is(self):
        sink, lock, now, most = self.receiver(), threading.Lock(), [0], [0]

        def answer(address):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            with lock:
                now[0] -= 1
            return sink.url

        application = self.application(answer)
        mx = self.server({"10.lua": 'return { alias.http("crm"), function() end }'},
                         lookups(application.url) + "smtp = { max_recipients = 200 }\n")
        mx.send(harness.mail(), ["a%d@example.com" % i for i in range(150)])
        sink.wait_for(150)
        self.assertEqual(len(application.asked), 150)
        self.assertLessEqual(most[0], 64)

    def test_an_application_that_takes_one_after_the_other_has_the_time_it_had(self):
        """`wait` is for the next answer: all together take longer."""
        sink, one = self.receiver(), threading.Lock()

        def answer(address):
            with one:
                threading.Event().wait(0.25)
                return sink.url

        application = self.application(answer)
        mx = self.server({"10.lua": 'return { alias.http("crm"), function() end }'},
                         lookups(application.url, 'wait = "4s", timeout = "60s"'))
        mx.send(harness.mail(), ["a%d@example.com" % i for i in range(20)])
        sink.wait_for(20)

    def test_one_that_is_not_answered_defers_the_message_and_the_others_are_remembered(self):
        sink, stop = self.receiver(), threading.Event()
        self.addCleanup(stop.set)
        application = self.application(lambda address: sink.url if address[0] != "s" or stop.is_set() else lambda handler: stop.wait(60))
        mx = self.server({"10.lua": 'return { alias.http("crm"), function() end }'},
                         lookups(application.url, 'wait = "2s", timeout = "60s"'))
        recipients = ["a@example.com", "slow@example.com", "b@example.com"]
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            mx.send(harness.mail(), recipients)
        self.assertEqual((raised.exception.smtp_code, raised.exception.smtp_error[:5]), (451, b"4.4.3"))
        self.assertEqual(len(mx.logged("lookup-unknown")), 1)
        self.assertEqual(sorted(application.asked), sorted(recipients))
        stop.set()
        mx.send(harness.mail(), ["a@example.com", "b@example.com"])
        sink.wait_for(2)
        self.assertEqual(len(application.asked), 3, "what was answered is in the cache")


if __name__ == "__main__":
    unittest.main()
