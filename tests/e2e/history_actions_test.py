"""history_actions_test.py - what operators do to deliveries is in the history, in a file and in PostgreSQL."""

import json
import unittest

import harness
import postgres
from harness import mail, wait_until

RULES = {"10.lua": "return function(msg) return '%s/' .. msg.envelope.recipient:match('^[^@]+') .. '?key=secret' end"}


class Actions:
    """Of a server whose receiver answers 500 to all but /moved."""

    def begin(self, config):
        self.answers = {}
        self.sink = self.receiver(lambda post: self.answers.get(post.path.split("?")[0], 500))
        self.mx = self.server({"10.lua": RULES["10.lua"] % self.sink.url}, config)

    def send(self, *names):
        for name in names:
            self.mx.send(mail(message_id=name + "@client.test"), [name + "@example.com"])

    def states(self, *filters):
        run = self.mx.command("history", "list", "--json", *filters)
        if run.returncode != 0:
            return {}
        return {m["recipients"][0]["address"].split("@")[0]: m["deliveries"][0]["state"]
                for m in json.loads(run.stdout)["messages"]}

    def wait_for(self, **states):
        wait_until(lambda: all(self.states().get(name) == state for name, state in states.items()),
                   "%r" % states)

    def queue(self, *arguments):
        run = self.mx.command("queue", *arguments)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.stderr, "")
        return run.stdout

    def ids(self):
        return {each["recipient"].split("@")[0]: each["id"] for each in json.loads(self.queue("list", "--json"))}

    def story(self, name):
        run = self.mx.command("history", "story", "--json", self.found[name])
        return json.loads(run.stdout)["messages"][0]["deliveries"][0]

    def test_what_operators_do(self):
        """On one server, since that is what takes its time here."""
        for part in (self.one_that_came_a_moment_ago_is_dropped, self.an_edit_is_told_without_secrets,
                     self.what_failed_and_is_retried_waits_again, self.what_is_dropped_is_dropped_there_too):
            with self.subTest(part.__name__):
                part()

    def one_that_came_a_moment_ago_is_dropped(self):
        self.pause("new")
        self.send("new")
        self.queue("drop", "--recipient", "new@example.com", "--yes")
        self.wait_for(new="dropped")

    def pause(self, name):
        run = self.mx.command("destination", "pause", "%s/%s" % (self.sink.url, name))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.mx.wait_logged("destination-paused", name)

    def an_edit_is_told_without_secrets(self):
        self.send("edited")
        self.wait_for(edited="failed")
        self.found = self.ids()
        self.answers["/moved"] = 200
        self.queue("edit", self.found["edited"], "--url", self.sink.url + "/moved?key=secret", "--secret", "hidden-secret")
        self.queue("retry", self.found["edited"])
        self.wait_for(edited="delivered")
        story = self.story("edited")
        self.assertEqual([each["action"] for each in story["made"]], [None, "edited", "retried", None])
        self.assertEqual(story["made"][1]["error"],
                         "mxhook queue edit: to %s/moved another secret" % self.sink.url)
        self.assertEqual((story["state"], story["status"]), ("delivered", 200))

    def what_failed_and_is_retried_waits_again(self):
        self.send("again", "other")
        self.wait_for(again="failed", other="failed")
        self.found = self.ids()
        self.pause("again")
        self.mx.command("queue", "retry", "--recipient", "again@example.com", "--yes")
        self.wait_for(again="waiting", other="failed")
        self.assertEqual([each["action"] for each in self.story("again")["made"]], [None, "retried"])

    def what_is_dropped_is_dropped_there_too(self):
        self.send("one", "two", "three")
        self.wait_for(one="failed", two="failed", three="failed")
        self.found = self.ids()
        self.queue("drop", self.found["one"])
        self.wait_for(one="dropped", two="failed")
        self.assertEqual(set(self.states("--state", "dropped")), {"new", "one"})
        self.assertLessEqual({"one", "two", "three"}, set(self.states("--status", "500")))
        self.queue("drop", "--all", "--yes")
        self.wait_for(one="dropped", two="dropped", three="dropped", again="dropped", edited="delivered")
        self.assertEqual(self.states("--state", "failed"), {})
        made = self.story("two")["made"]
        self.assertEqual([each["action"] for each in made], [None, "dropped"])
        self.assertEqual(made[1]["error"], "mxhook queue drop")
        printed = self.mx.command("history", "story", self.found["two"]).stdout
        self.assertRegex(printed, r"(?m)^    dropped \S+ by mxhook queue drop$")
        self.assertIn(" dropped=1", self.mx.command("history", "list", "--id", self.found["two"]).stdout)


class FileTest(Actions, harness.TestCase):
    def setUp(self):
        self.begin("deliver = { attempts = 1 }")

    def test_a_history_that_cannot_be_written_stops_no_drop(self):
        self.send("one")
        self.wait_for(one="failed")
        self.mx.stop()
        with open(self.mx.folder + "/spool/history.db", "wb") as file:
            file.write(b"no database at all")
        run = self.mx.command("queue", "drop", "--all", "--yes")
        self.assertEqual((run.returncode, run.stdout), (0, "1 dropped\n"))
        self.assertIn("mxhook queue: done, but not noted in the history: ", run.stderr)
        self.assertEqual(json.loads(self.queue("list", "--json")), [])


class PostgresTest(Actions, postgres.DatabaseCase):
    def setUp(self):
        super().setUp()
        self.begin(postgres.spool(self.conninfo) + "deliver = { attempts = 1 }")

    def test_tables_of_the_version_before_are_brought_up_to_date(self):
        self.send("before")
        self.wait_for(before="failed")
        self.found = self.ids()
        self.queue("edit", self.found["before"], "--unsigned")  # an attempt beside its segment
        self.mx.stop()
        self.sql("ALTER TABLE mxhook_history.attempts DROP CONSTRAINT attempts_pkey, DROP place, DROP action,"
                 " ADD PRIMARY KEY (message, delivery, at_ms, number, day)")
        self.sql("DROP SEQUENCE mxhook_history.attempt_place; DROP FUNCTION mxhook_history.forget_marks CASCADE;"
                 " ALTER TABLE mxhook_history.segments DROP keys, DROP marks")
        self.mx.start()
        self.queue("drop", "--all", "--yes")
        self.wait_for(before="dropped")
        self.assertEqual([each["action"] for each in self.story("before")["made"]], [None, None, "dropped"])
        self.assertEqual(self.sql("SELECT count(DISTINCT place) FROM mxhook_history.attempts"), "2")


if __name__ == "__main__":
    unittest.main()
