"""What must stay secret: passwords, signing secrets and values of headers are in no log and no output; those
that stand in a file or the environment are not in the spool either."""

import os
import unittest

import harness

LITERAL = {"header": "Bearer LITERAL-TOKEN", "secret": "LITERAL-SECRET", "password": "URL-PASSWORD"}
ELSEWHERE = {"header": "FILE-TOKEN", "key": "ENV-KEY", "secret": "FILE-SECRET"}
RULE = """return function(msg)
  return {
    { url = "http://user:URL-PASSWORD@127.0.0.1:%(port)d/literal", secret = "LITERAL-SECRET",
      headers = { Authorization = "Bearer LITERAL-TOKEN" } },
    { url = "%(url)s/elsewhere", secret = "file:%(folder)s/secrets/secret",
      headers = { Authorization = { file = "%(folder)s/secrets/token" }, ["X-Key"] = { env = "MXHOOK_TEST_KEY" },
                  ["X-Subject"] = msg.subject } },
  }
end"""


class Secrets(harness.TestCase):
    def setUp(self):
        os.environ["MXHOOK_TEST_KEY"] = ELSEWHERE["key"]
        self.addCleanup(os.environ.pop, "MXHOOK_TEST_KEY")
        self.sink = self.receiver(lambda post: 500)
        self.mx = self.server({}, "log_level = 'debug'\ndeliver = { attempts = 1 }", start=False)
        os.mkdir(os.path.join(self.mx.folder, "secrets"))
        self.mx.write("secrets/token", ELSEWHERE["header"] + "\n")
        self.mx.write("secrets/secret", ELSEWHERE["secret"] + "\n")
        self.mx.write_rule("10.lua", RULE % {"port": self.sink.port, "url": self.sink.url,
                                             "folder": self.mx.folder})
        self.mx.write("mail.eml", harness.mail(subject="file:/etc/passwd").decode())

    def check_none_in(self, text, secrets, where):
        for secret in secrets.values():
            self.assertNotIn(secret, text, where)

    def posts(self):
        by_path = {post.path: post for post in self.sink.wait_for(2)}
        return by_path["/literal"], by_path["/elsewhere"]

    def test_they_arrive_and_are_shown_nowhere(self):
        self.mx.start()
        self.mx.send(harness.mail(subject="file:/etc/passwd"))
        literal, elsewhere = self.posts()
        self.assertEqual(elsewhere.headers["authorization"], ELSEWHERE["header"])
        self.assertEqual(elsewhere.headers["x-key"], ELSEWHERE["key"])
        self.assertIn("webhook-signature", elsewhere.headers)
        self.assertIn("webhook-signature", literal.headers)
        # What a message says is never read as the name of a file.
        self.assertEqual(elsewhere.headers["x-subject"], "file:/etc/passwd")

        failed = harness.wait_until(
            lambda: self.mx.command("queue", "list", "--failed").stdout.count("\n") == 2 and
            self.mx.command("queue", "list").stdout, "two failures")
        outputs = {"log": self.mx.log(), "queue list": failed}
        for line in failed.splitlines():
            shown = self.mx.command("queue", "show", line.split()[0])
            outputs["queue show " + line] = shown.stdout + shown.stderr
        for where, text in outputs.items():
            self.check_none_in(text, LITERAL, where)
            self.check_none_in(text, ELSEWHERE, where)
        shown = "".join(outputs.values())
        self.assertIn("http://127.0.0.1:%d/literal" % self.sink.port, shown)
        self.assertIn("Authorization: (not shown)", shown)
        self.assertIn("X-Key: from env:MXHOOK_TEST_KEY", shown)

    def test_the_commands_do_not_show_them(self):
        eml = os.path.join(self.mx.folder, "mail.eml")
        for command in (["route", eml], ["route", "--json", eml], ["send", "hook@example.com"]):
            done = self.mx.command(*command)
            self.assertIn("/elsewhere", done.stdout)
            self.check_none_in(done.stdout + done.stderr, LITERAL, command)
            self.check_none_in(done.stdout + done.stderr, ELSEWHERE, command)
        self.assertEqual(self.posts()[1].headers["authorization"], ELSEWHERE["header"])

    def test_what_stands_elsewhere_is_not_in_the_spool(self):
        self.mx.start()
        self.mx.send(harness.mail())
        self.posts()
        harness.wait_until(lambda: self.mx.command("queue", "list", "--failed").stdout.count("\n") == 2, "them")
        found = b""
        for folder, _, names in os.walk(os.path.join(self.mx.folder, "spool")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    found += file.read()
        self.assertIn(LITERAL["secret"].encode(), found)  # so the search does find what is there
        for secret in ELSEWHERE.values():
            self.assertNotIn(secret.encode(), found)

    def test_a_new_one_is_used_at_the_next_attempt(self):
        self.mx.start()
        self.mx.send(harness.mail())
        _, elsewhere = self.posts()
        self.mx.write("secrets/token", "ANOTHER-TOKEN")
        harness.wait_until(lambda: self.mx.command("queue", "list", "--failed").stdout.count("\n") == 2, "them")
        self.mx.command("queue", "retry", elsewhere.id)
        self.assertEqual(self.sink.wait_for(3)[2].headers["authorization"], "ANOTHER-TOKEN")


if __name__ == "__main__":
    unittest.main()
