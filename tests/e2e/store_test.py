"""What rules remember, as senders meet it: greylisting, and repeats told by store.once()."""

import smtplib
import threading
import unittest

import harness

GREYLIST = """
local store = require "mxhook.store"
return function(msg)
    local key = "grey " .. msg.envelope.client_ip .. " " .. msg.envelope.sender .. " " .. msg.envelope.recipient
    if store.get(key) then return "%s" end
    store.set(key, "seen", 86400)
    return route.defer("Greylisted, come again")
end"""

ONCE = """
local store = require "mxhook.store"
return {
    function(msg)
        if not store.once("seen " .. msg.message_id, 86400) then return route.discard() end
    end,
    function(msg)
        if msg.subject == "later" and store.add("tries", 1) == 1 then return route.defer() end
        return "%s/" .. msg.envelope.recipient
    end,
}"""


class Remembering(harness.TestCase):
    def code(self, mx, message, *recipients):
        try:
            mx.send(message, recipients or ("hook@example.com",))
            return 250
        except smtplib.SMTPDataError as error:
            return error.smtp_code

    def test_greylisting(self):
        """Who comes again is taken; another sender, or recipient, is new; a reload forgets nothing."""
        sink = self.receiver()
        mx = self.server({"10.lua": GREYLIST % sink.url})
        one, two = harness.mail(message_id="1@a"), harness.mail(message_id="2@a")
        self.assertEqual(self.code(mx, one), 451)
        mx.reload()
        self.assertEqual(self.code(mx, one), 250)
        self.assertEqual(self.code(mx, two), 250, "the same sender and recipient")
        self.assertEqual(self.code(mx, two, "other@example.com"), 451)
        self.assertEqual(self.code(mx, two, "other@example.com"), 250)
        self.assertEqual(self.code(mx, two, "hook@example.com", "third@example.com"), 451, "one that is new defers all")
        self.assertEqual(self.code(mx, two, "hook@example.com", "third@example.com"), 250)
        self.assertEqual(len(sink.wait_for(5)), 5)

    def test_a_message_that_was_deferred_is_no_repeat(self):
        sink = self.receiver()
        mx = self.server({"10.lua": ONCE % sink.url})
        self.assertEqual(self.code(mx, harness.mail(subject="later")), 451)
        self.assertEqual(self.code(mx, harness.mail(subject="later")), 250)
        self.assertEqual(self.code(mx, harness.mail(subject="later")), 250, "a repeat: taken and dropped")
        self.assertEqual(self.code(mx, harness.mail(message_id="2@a")), 250)
        self.assertEqual([post.json["message-id"] for post in sink.wait_for(2)], ["one@client.test", "2@a"])

    def test_each_recipient_of_a_message_is_taken(self):
        sink = self.receiver()
        mx = self.server({"10.lua": ONCE % sink.url})
        self.assertEqual(self.code(mx, harness.mail(), "a@example.com", "b@example.com"), 250)
        self.assertEqual(self.code(mx, harness.mail(), "a@example.com", "c@example.com"), 250)
        self.assertEqual(self.code(mx, harness.mail(message_id="2@a"), "d@example.com"), 250)
        self.assertEqual(sorted(post.path for post in sink.wait_for(3)), ["/a@example.com", "/b@example.com", "/d@example.com"])

    def test_two_at_once_may_repeat_but_lose_nothing(self):
        sink = self.receiver()
        mx = self.server({"10.lua": ONCE % sink.url}, "rules = { workers = 4 }")
        codes = []

        def send(number):
            codes.append(self.code(mx, harness.mail(message_id="%d@a" % (number // 2))))

        threads = [threading.Thread(target=send, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(codes), {250})
        harness.wait_until(lambda: {post.json["message-id"] for post in sink.posts} == {"%d@a" % i for i in range(20)}, "all")
        self.assertLessEqual(len(sink.posts), 40)


if __name__ == "__main__":
    unittest.main()
