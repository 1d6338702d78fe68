"""mxhook check: with the rights that the service will have, and what it warns of."""

import os
import pathlib
import pwd
import subprocess
import tempfile
import unittest

MXHOOK = os.environ["MXHOOK"]


class Check(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        self.config = self.folder / "mxhook.lua"
        (self.folder / "rules.d").mkdir()

    def check(self, text, rule="return function() return 'null' end\n", **variables):
        self.config.write_text(text)
        if rule:
            (self.folder / "rules.d/10.lua").write_text(rule)
        return subprocess.run([MXHOOK, "check", "--config", self.config], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **variables})

    def test_warns_of_what_works_but_is_not_meant(self):
        done = self.check('domains = { "example.com", "mail.test", "*.example.org" }\nspool = { directory = "spool" }\n', rule=None)
        self.assertEqual(done.returncode, 0, done.stderr)
        for text in ("there are no rules and no aliases", "example.com is still the placeholder"):
            self.assertIn(text, done.stderr)
        self.assertNotIn("mail.test", done.stderr)
        done = self.check('domains = { "mail.test" }\nspool = { directory = "spool" }\n')
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def limits(self, config, rule):
        done = self.check('domains = { "mail.test" }\nspool = { directory = "spool" }\n' + config, rule)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [tuple(line.removeprefix("mxhook check: warning: %s/" % self.folder).split(": ")[:3])
                for line in done.stderr.splitlines() if "max_body" in line]

    def test_a_limit_that_the_largest_message_goes_over(self):
        plain = "return function() return 'null' end\n"
        small = "smtp = { max_size = 100000 }\n"  # 140,000 as a payload
        for most, count in ((139999, 1), (140000, 0), (0, 0)):
            with self.subTest(most=most):
                self.assertEqual(len(self.limits(small + "deliver = { max_body = %d }\n" % most, plain)), count)
        found = self.limits(small + 'profiles = { crm = { max_body = "100 KB" }, big = { max_body = "1 MB" }, none = {} }\n', plain)
        self.assertEqual(found, [("mxhook.lua", "profiles.crm", "max_body is 100000 bytes, less than what the largest message "
                                  "makes (140000, smtp.max_size * 1.4)")])

    def test_the_same_limit_in_a_rule(self):
        rows = (
            ("return alias {\n ['a@mail.test'] = { url = 'https://a.example', max_body = 139999 } }", 2, "139999"),
            ("return alias { ['a@mail.test'] = { url = 'https://a.example', max_body = 140000 } }", None, None),
            ("return function(msg)\n\n return { url = 'https://a.example', max_body = '100 kB' } end", 3, "'100 kB'"),
            ("return function(msg) return { url = 'https://a.example', ['max_body'] = \"1.5 KiB\" } end", 1, '"1.5 KiB"'),
            ("return function(msg) return { url = 'https://a.example', max_body = 2 * (10 + 10) * 1024 } end", 1,
             "2 * (10 + 10) * 1024"),
            ("return function(msg) return { url = 'https://a.example', max_body = 5 * 1024 * 1024 } end", None, None),
            ("return function(msg)\n local to = { url = 'https://a.example' }\n to.max_body = 1e3 return to end", 3, "1e3"),
            ("local MOST = '100 KB' -- theirs\nreturn route.regex { recipient = 'a',\n to = { url = 'https://a.example', "
             "max_body = MOST } }", 3, "MOST"),
            ("return function(msg) if msg.max_body == 5 then return end\n -- max_body = 5\n --[[ max_body = 5 ]]\n"
             " local s = 'max_body = 5' local my_max_body = 5 return 'null' end", None, None),
            ("return function(msg) return { url = 'https://a.example', max_body = msg.size } end", None, None),
        )
        for rule, line, written in rows:
            with self.subTest(rule=rule):
                found = self.limits("smtp = { max_size = 100000 }\n", rule)
                self.assertEqual(found, [] if line is None else [(
                    "rules.d/10.lua:%d" % line, "max_body = %s" % written, "less than what the largest message makes "
                    "(140000 bytes, smtp.max_size * 1.4)")])

    def warnings(self, rule, domains='"mail.test"', csv=None):
        if csv is not None:
            (self.folder / "rules.d/a.csv").write_text(csv, encoding="utf-8")
        done = self.check('domains = { %s }\nspool = { directory = "spool" }\n' % domains, rule)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line.split("warning: ", 1)[1].replace(str(self.folder) + "/", "") for line in done.stderr.splitlines()]

    def test_warns_of_aliases_at_other_domains(self):
        """In each form of a key; what may match is not warned of."""
        for key, host in (("a@mial.test", "mial.test"), ("A@MIAL.test", "mial.test"), ("*@mial.test", "mial.test"),
                          ("in-(*)@mial.test", "mial.test"), ("*@*.mial.test", "*.mial.test"), ("a@sub.mail.test", "sub.mail.test"),
                          ("a@b\u00fccher.test", "xn--bcher-kva.test"), ("a@[192.0.2.1]", "[192.0.2.1]")):
            with self.subTest(key):
                found = self.warnings('return { alias { ["%s"] = "null" }, alias { ["*@mail.test"] = "null" } }\n' % key)
                self.assertEqual(len(found), 1, found)
                self.assertIn("rules.d/10.lua:1: '%s' can match nobody: '%s' is none of the configuration's domains"
                              % (key if "*" in key else key.lower().replace("b\u00fccher", "xn--bcher-kva"), host), found[0])
        found = self.warnings('return { alias { ["/^a@mial\\\\.test$/"] = "null" }, alias { ["*@mail.test"] = "null" } }\n')
        self.assertIn("(did you mean 'mail.test'?)", found[0])
        found = self.warnings('return alias.file "a.csv"\n', csv="a@mail.test,null\nb@mial.test,null\nc@mial.test,null\n*@other.test,null\n")
        self.assertEqual(len(found), 2, found)
        for domains, keys in (('"*.mail.test", "mail.test"', ("a@x.mail.test", "*@*.mail.test", "*@x.y.mail.test", "a@mail.test")),
                              ('"b\u00fccher.test"', ("a@xn--bcher-kva.test", "a@b\u00fccher.test", "*", "a@*", "*@*.test")),
                              ('"mail.test"', ("/a/", "/^a@/", "/@(mail|other)\\\\.test$/", "/^a@.*test$/", "*", "a@mail.*"))):
            for key in keys:
                with self.subTest(key):
                    found = self.warnings('return { alias { ["%s"] = "null" }, function() end }\n' % key, domains)
                    self.assertEqual([line for line in found if "can match nobody" in line], [])

    def test_warns_of_domains_that_no_rule_can_match(self):
        text = "mxhook.lua: domains: two.test: no rule can match an address there: all its mail is refused"
        domains = '"mail.test", "two.test"'
        for rule in ('alias { ["a@mail.test"] = "null" }', 'alias { ["*@mail.test"] = "null" }', 'alias.file "a.csv"',
                     'alias { ["/^a@mail\\\\.test$/"] = "null" }'):
            with self.subTest(rule):
                self.assertEqual(self.warnings("return %s\n" % rule, domains, "a@mail.test,null\n"), [text])
                self.assertEqual(self.warnings("return { %s, function() end }\n" % rule, domains), [])
                self.assertEqual(self.warnings("return { %s, alias { ['a@two.test'] = 'null' } }\n" % rule, domains), [])
        self.assertEqual([line for line in self.warnings('return alias { ["/^a@/"] = "null" }\n', domains) if "domains" in line], [])
        self.assertEqual(self.warnings('return alias { ["*"] = "null" }\n', domains), [])

    def test_warns_of_aliases_behind_a_wildcard(self):
        first = 'alias { ["*@mail.test"] = %s }'
        hidden = (('alias { ["a@mail.test"] = "null" }', "'a@mail.test'"), ('alias { ["*@mail.test"] = "null" }', "'*@mail.test'"),
                  ('alias { ["in-*@mail.test"] = "null" }', "'in-*@mail.test'"), ('alias { ["in-(*)@mail.test"] = "null" }', "'in-(*)@mail.test'"),
                  ('alias.file "a.csv"', "'*@mail.test'"))
        for rule, key in hidden:
            with self.subTest(rule):
                found = self.warnings('return {\n%s,\n%s,\n}\n' % (first % '"null"', rule), csv="a@mail.test,null\n")
                self.assertEqual(len(found), 1, found)
                self.assertRegex(found[0], r"rules.d/10.lua:3: %s is answered by rules.d/10.lua:2 .* before: this one is never asked"
                                 .replace("by rules.d/", "by ") % key.replace("(", "[(]").replace(")", "[)]").replace("*", "[*]"))
                self.assertEqual(self.warnings('return { %s, %s }\n' % (first % 'route.also("https://a.example")', rule)), [])
                self.assertEqual(self.warnings('return { %s, %s }\n' % (rule, first % '"null"'))[1:], [])
        found = self.warnings('return { alias { ["*"] = "null" }, function() end }\n')
        self.assertIn("all mail is answered by 10.lua:1 ('*') before: this rule is never asked", found[0])
        found = self.warnings('return { alias { ["/^(a|b)@mail/"] = "null" }, alias { ["b@mail.test"] = "null", ["c@mail.test"] = "null" } }\n')
        self.assertEqual(len([line for line in found if "never asked" in line]), 1, found)

    # Each place where a secret may stand elsewhere: the text, and the option that is named.
    SECRETS = (
        ('admin = { tokens = {\n grafana = { role = "view", token = %s } } }', "admin.tokens"),
        ('scan = {\n password = %s }', "scan.password"),
        ('forward = { smarthost = "smtp://relay.test", user = "u",\n password = %s }', "forward.password"),
        ('lookups = {\n crm = { secret = %s, url = "https://crm.test/" } }', "lookups"),
        ('profiles = { other = { timeout = 5 },\n crm = { secret = %s } }', "profiles"),
        ('deliver = { on_failure = { url = "https://ops.test/",\n secret = %s } }', "deliver.on_failure"),
    )
    HEADERS = (
        ('profiles = { crm = { headers = {\n ["X-Key"] = %s } } }', "profiles"),
        ('deliver = { on_failure = { url = "https://ops.test/", headers = {\n ["X-Key"] = %s } } }', "deliver.on_failure"),
    )

    def secrets(self, config, **variables):
        done = self.check('domains = { "mail.test" } -- NOT_THERE, /not/there\nspool = { directory = "spool" }\n' + config + "\n", **variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line.replace(str(self.folder) + "/", "") for line in done.stderr.splitlines()]

    def test_warns_of_secrets_that_are_not_there(self):
        for rows, variable, file in ((self.SECRETS, '"env:NOT_THERE"', '"file:/not/there"'),
                                     (self.HEADERS, '{ env = "NOT_THERE" }', '{ file = "/not/there" }')):
            for config, option in rows:
                with self.subTest(config):
                    begin = "mxhook check: warning: mxhook.lua:4: %s: " % option
                    [line] = self.secrets(config % variable)
                    self.assertTrue(line.startswith(begin + "env:NOT_THERE is not set here: the server needs it"), line)
                    self.assertEqual(self.secrets(config % variable, NOT_THERE="x"), [])
                    [line] = self.secrets(config % file)
                    self.assertTrue(line.startswith(begin + "file:/not/there: No such file"), line)
        config = self.SECRETS[1][0] % '"env:NOT_THERE"'
        self.assertIn("env:NOT_THERE is empty here: ", self.secrets(config, NOT_THERE="", NOT_THER="x")[0])
        self.assertIn("is not set here (did you mean NOT_THER?): ", self.secrets(config, NOT_THER="x")[0])
        self.assertEqual(self.secrets('hostname = "env:NOT_THERE"'), [])
        self.assertEqual(self.secrets(self.SECRETS[1][0] % '"a password"'), [])

    def test_warns_of_secrets_of_rules_that_are_not_there(self):
        for rule, line in (('return alias { ["a@mail.test"] = { url = "https://a.test",\n secret = "env:MXHOOK_GONE" } }', 2),
                           ("return function() return { url = 'https://a.test', headers = { ['X-Key'] = { env = 'MXHOOK_GONE' } } } end", 1),
                           ('return function() -- secret = "env:MXHOOK_GONE"\n local x = [[ env:MXHOOK_GONE ]] return env("MXHOOK_GONE", "null") end', None),
                           ('return function(msg) local my_env = "MXHOOK_GONE" msg.env = "MXHOOK_GONE" return "null" end', None)):
            with self.subTest(rule):
                for variables, why in (({}, "is not set here: "), ({"MXHOOK_GONE": ""}, "is empty here: "),
                                       ({"MXHOOK_GON": "x"}, "is not set here (did you mean MXHOOK_GON?): ")):
                    done = self.check('domains = { "mail.test" }\nspool = { directory = "spool" }\n', rule, **variables)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    found = [each for each in done.stderr.splitlines() if "env:" in each]
                    self.assertEqual(len(found), 0 if line is None else 1, done.stderr)
                    if line:
                        self.assertIn("rules.d/10.lua:%d: env:MXHOOK_GONE %s" % (line, why), found[0])
                done = self.check('domains = { "mail.test" }\nspool = { directory = "spool" }\n', rule, MXHOOK_GONE="x")
                self.assertNotIn("env:", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_root_looks_with_the_rights_of_the_service(self):
        text = 'domains = { "mail.test" }\nuser = "nobody"\nspool = { directory = "spool" }\n'
        done = self.check(text)
        self.assertEqual(done.returncode, 1, done.stderr)  # nobody may not make it in root's folder
        self.assertIn("spool.directory: %s/spool: Permission denied" % self.folder, done.stderr)
        self.assertEqual(self.check(text.replace('"spool"', '"not/there"')).returncode, 1)
        nobody = pwd.getpwnam("nobody").pw_uid
        os.chown(self.folder, nobody, -1)
        done = self.check(text)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("checked with the rights of the user nobody", done.stdout)
        os.chown(self.folder, 0, -1)
        (self.folder / "rules.d/10.lua").chmod(0o600)
        done = self.check(text, rule=None)
        self.assertEqual(done.returncode, 1)
        self.assertIn("10.lua", done.stderr)
        (self.folder / "rules.d/10.lua").chmod(0o644)
        (self.folder / "spool").mkdir(mode=0o700)
        done = self.check(text, rule=None)
        self.assertEqual(done.returncode, 1)
        self.assertIn("spool.directory", done.stderr)
        os.chown(self.folder / "spool", nobody, -1)
        self.assertEqual(self.check(text, rule=None).returncode, 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_user_that_there_is_not(self):
        done = self.check('domains = { "mail.test" }\nuser = "no-such-user"\n')
        self.assertEqual(done.returncode, 1)
        self.assertIn("no such user", done.stderr)


if __name__ == "__main__":
    unittest.main()
