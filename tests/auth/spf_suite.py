"""The official SPF test suite (RFC 7208, openspf.org), through our own code.

usage: spf_suite.py SPF_TOOL SUITE.jsonl      exit code 77 where the suite's file is missing
"""

import json
import os
import subprocess
import sys

TYPES = ("A", "AAAA", "MX", "PTR", "TXT")


def octets(text):
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def zone_lines(zone):
    """The suite writes SPF for what is asked as TXT, unless the name has a TXT of its own."""
    yield "zone"
    for name, records in zone.items():
        if not name or " " in name:
            continue
        has_txt = any(isinstance(record, dict) and "TXT" in record for record in records)
        seen = set()
        for record in records:
            if record == "TIMEOUT":
                for kind in TYPES:
                    if kind not in seen:
                        yield "fail %s %s" % (name, kind)
                continue
            (kind, value), = record.items()
            if kind == "SPF":
                if has_txt:
                    continue
                kind = "TXT"
            seen.add(kind)
            if value == "TIMEOUT":
                yield "fail %s %s" % (name, kind)
            elif kind == "TXT":
                text = "".join(value) if isinstance(value, list) else value
                if text != "NONE":
                    yield "rr %s TXT %s" % (name, octets(text).hex())
            elif kind == "MX":
                if value[1]:
                    yield "rr %s MX %s" % (name, value[1])
            else:
                yield "rr %s %s %s" % (name, kind, value)


def main():
    tool, suite = sys.argv[1:3]
    if not os.path.exists(suite):
        print("skipped: there is no %s" % suite)
        return 77
    passed, failed = 0, []
    process = subprocess.Popen([tool], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(line):
        process.stdin.write((line + "\n").encode("latin-1"))

    for line in open(suite, encoding="utf-8"):
        scenario = json.loads(line)
        for command in zone_lines(scenario["zonedata"]):
            say(command)
        for name, test in scenario["tests"].items():
            sender = octets(test["mailfrom"]).hex() or "-"
            say("check %s %s %s" % (test["host"], octets(test["helo"]).hex() or "-", sender))
            process.stdin.flush()
            line = process.stdout.readline().decode("latin-1")
            if not line:
                print("the tool ended with %d at %s" % (process.wait(), name))
                return 1
            answer = line.rstrip("\n").split("\t")
            wanted = test["result"] if isinstance(test["result"], list) else [test["result"]]
            explanation = test.get("explanation")
            good = answer[0] in wanted
            if explanation and answer[0] == "fail":
                # DEFAULT is the suite's word for the checker's own text; ours is none.
                good = good and answer[2] == ("" if explanation == "DEFAULT" else explanation)
            if good:
                passed += 1
            else:
                failed.append("%s / %s: wanted %s %r, got %r (%s)" % (
                    scenario["scenario"], name, wanted, explanation, answer,
                    test.get("description")))
    process.stdin.close()
    failed += ["the tool ended with %d" % process.returncode] if process.wait() else []
    print("\n".join(failed))
    print("SPF suite: %d passed, %d failed" % (passed, len(failed)))
    return 1 if failed or not passed else 0


sys.exit(main())
