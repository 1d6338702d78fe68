"""Rules in the running server: what they answer, what they cannot break, and reload."""

import smtplib
import threading
import unittest

import harness


class Rules(harness.TestCase):
    def refused(self, mx, code, enhanced, recipients=("hook@example.com",)):
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            mx.send(harness.mail(), recipients)
        self.assertEqual(raised.exception.smtp_code, code)
        self.assertTrue(raised.exception.smtp_error.startswith(enhanced.encode()),
                        raised.exception.smtp_error)
        return raised.exception.smtp_error.decode()

    def test_no_destination_is_refused(self):
        mx = self.server({"10-none.lua": "return function(msg) return nil end"})
        self.refused(mx, 550, "5.1.1")

    def test_reject_and_defer(self):
        mx = self.server({"10.lua": """return function(msg)
            if msg.envelope.recipient == 'no@example.com' then return route.reject('No, thanks') end
            return route.defer('Later, please')
          end"""})
        self.assertIn("No, thanks", self.refused(mx, 550, "5.", ["no@example.com"]))
        self.assertIn("Later, please", self.refused(mx, 451, "4.", ["later@example.com"]))

    def test_discard_is_accepted(self):
        sink = self.receiver()
        mx = self.server({"10.lua": "return function(msg) return route.discard() end"})
        mx.send(harness.mail())
        self.assertEqual(mx.command("queue", "list").stdout, "")
        self.assertEqual(sink.posts, [])

    def test_headers_are_reshaped_for_one_recipient_only(self):
        sink = self.receiver()
        mx = self.server({"10.lua": """return function(msg)
            if msg.envelope.recipient == 'a@example.com' then
              msg.headers['Subject'] = 'changed'
              msg.headers['X-New'] = { 'one', 'two' }
            end
            return '%s/' .. msg.envelope.recipient
          end""" % sink.url})
        mx.send(harness.mail(), ["a@example.com", "b@example.com"])
        sink.wait_for(2)
        headers = {post.path: post.json["headers"] for post in sink.posts}
        self.assertEqual(headers["/a@example.com"]["Subject"], "changed")
        self.assertEqual(headers["/a@example.com"]["X-New"], ["one", "two"])
        self.assertEqual(headers["/b@example.com"]["Subject"], "A subject")
        self.assertNotIn("X-New", headers["/b@example.com"])

    def test_a_rule_that_raises_defers_and_stops_nothing_else(self):
        sink = self.receiver()
        mx = self.server({"10.lua": """
            return function(msg)
              if msg.subject == 'bad' then error('broken rule') end
              return '%s'
            end""" % sink.url})
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            mx.send(harness.mail(subject="bad"))
        self.assertEqual(raised.exception.smtp_code, 451)
        self.assertTrue(raised.exception.smtp_error.startswith(b"4.3.0"))
        self.assertTrue(any("10.lua:3" in line and "broken rule" in line and "traceback" in line
                            for line in mx.log().splitlines()), mx.log())
        mx.send(harness.mail(subject="good"))
        sink.wait_for(1)

    def test_hostile_rules_do_not_stop_others(self):
        sink = self.receiver()
        mx = self.server({"10.lua": """
            return function(msg)
              if msg.subject == 'endless' then while true do end end
              if msg.subject == 'caught' then while true do pcall(function() while true do end end) end end
              if msg.subject == 'huge' then return ('x'):rep(2^30) end
              return '%s'
            end""" % sink.url}, "rules = { workers = 2 }")
        outcomes = []

        def hostile(subject):
            try:
                mx.send(harness.mail(subject=subject))
                outcomes.append(250)
            except smtplib.SMTPDataError as error:
                outcomes.append(error.smtp_code)

        threads = [threading.Thread(target=hostile, args=(subject,))
                   for subject in ("endless", "caught", "huge") for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(20):
            mx.send(harness.mail(message_id="%d@client.test" % number))
        for thread in threads:
            thread.join()
        self.assertEqual(outcomes, [451] * 9)
        sink.wait_for(20)

    def test_unknown_recipient_of_an_alias_is_refused_at_rcpt(self):
        sink = self.receiver()
        mx = self.server({"10.lua": "return alias { ['sales@example.com'] = '%s' }" % sink.url})
        with mx.smtp() as client:
            client.ehlo()
            client.mail("a@client.test")
            self.assertEqual(client.rcpt("nobody@example.com")[0], 550)
            self.assertEqual(client.rcpt("Sales+x@Example.com")[0], 250)
            code, text = client.rcpt("x@elsewhere.test")
            self.assertEqual((code, text[:5]), (550, b"5.7.1"))


class Reload(harness.TestCase):
    def test_takes_new_rules_without_dropping_a_connection(self):
        sink = self.receiver()
        mx = self.server(self.to(sink, "/old"))
        with mx.smtp() as client:
            client.sendmail("a@client.test", ["hook@example.com"], harness.mail())
            mx.write_rule("10-all.lua", "return function(msg) return '%s/new' end" % sink.url)
            mx.reload()
            self.assertTrue(mx.logged("reloaded"))
            client.sendmail("a@client.test", ["hook@example.com"], harness.mail())
        sink.wait_for(2)
        self.assertEqual(sorted(post.path for post in sink.posts), ["/new", "/old"])

    def test_a_transaction_keeps_the_rules_it_began_with(self):
        sink = self.receiver()
        mx = self.server(self.to(sink, "/old"))
        with mx.smtp() as client:
            client.ehlo()
            client.mail("a@client.test")
            mx.write_rule("10-all.lua", "return function(msg) return '%s/new' end" % sink.url)
            mx.reload()
            client.rcpt("hook@example.com")
            client.data(harness.mail())
        self.assertEqual(sink.wait_for(1)[0].path, "/old")

    def test_a_syntax_error_keeps_the_old_rules_under_load(self):
        sink = self.receiver()
        mx = self.server(self.to(sink))
        stop, sent, failures = threading.Event(), [], []

        def load():
            while not stop.is_set():
                try:
                    mx.send(harness.mail(message_id="%d@client.test" % len(sent)))
                    sent.append(1)
                except (smtplib.SMTPException, OSError) as error:
                    failures.append(error)

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        mx.write_rule("20-broken.lua", "return function(msg)\n  retrun nil\nend")
        for _ in range(5):
            mx.reload()
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(mx.logged("reloaded"), [])
        self.assertTrue(mx.logged("not-reloaded", "20-broken.lua:2"), mx.log())
        sink.wait_for(len(sent))

    def test_loads_the_configuration_too(self):
        sink = self.receiver()
        mx = self.server(self.to(sink))
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            mx.send(harness.mail(), ["a@second.example"])
        mx.write("mxhook.lua", """hostname = "mx.test" domains = { "second.example" }
            listen = { "127.0.0.1:0", "127.0.0.1:0" } spool = { directory = "spool" }
            """ + harness.NO_DNS)
        mx.reload()
        self.assertTrue(mx.logged("reload", "option=listen"))
        mx.send(harness.mail(), ["a@second.example"])
        sink.wait_for(1)


if __name__ == "__main__":
    unittest.main()
