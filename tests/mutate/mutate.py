"""mutate.py - single changes of the tree, and whether a test notices. scripts/mutate --help"""

import argparse
import collections
import concurrent.futures
import difflib
import json
import os
import random
import subprocess
import sys
import threading

import changes
import reach
import tree

ABOUT = """Changes server/ and lua/ at one random place after the other, in a copy of the tree, and runs the tests
that reach the line: cheap ones first, until one fails or takes far too long. Prints what was noticed, by folder and by kind
of change, and every change that was not.

Kinds: operator (< for <=, && for ||, + for -, a ! less), constant (off by one; true for false), call (left out), error (its
code dropped, success returned instead), break (or continue, left out).

Changes that do not compile, or that compile to the same code, are not counted. What the plain build does not notice is
tried once more with AddressSanitizer and UBSan, as scripts/test does. By hand, not for CI: the first run of a tree builds and runs
every test with coverage (clang; scripts/setup --fuzz), and each change takes some seconds, or --bound where nothing notices.
Everything is kept in build/mutate; what was interrupted goes on where it was when called again with the same arguments."""

SHARES = {"operator": 40, "constant": 20, "call": 20, "error": 15, "break": 5}  # of a hundred changes
ENDS_WITH_LOAD = 4  # a test may take this many times what it took when it was measured, and GRACE seconds
GRACE = 15


def arguments():
    parser = argparse.ArgumentParser("scripts/mutate", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="", metavar="FOLDER", help="only there, such as server/mail or lua")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which changes (default: 1)")
    parser.add_argument("--count", type=int, default=40, metavar="N", help="how many (default: 40)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="copies of the tree at work at once (default: 1)")
    parser.add_argument("--bound", type=int, default=60, metavar="SECONDS", help="of tests for one change (default: 60)")
    parser.add_argument("--slowest", type=int, default=120, metavar="SECONDS", help="tests that take longer are left out (default: 120)")
    parser.add_argument("--leave-out", metavar="REGEX", help="tests that are not run at all, such as the longest")
    parser.add_argument("--kind", choices=changes.KINDS, help="this kind of change only")
    parser.add_argument("--at", metavar="FILE:LINE", help="every change of this line, instead of random ones")
    parser.add_argument("--again", metavar="RESULTS", help="what was not noticed in an earlier run (a file of build/mutate), in "
                        "the tree as it is now, instead of random ones")
    parser.add_argument("--near", action="store_true", help="take the newest coverage there is, moved along with the lines, and "
                        "measure only tests that are new or changed")
    parser.add_argument("--same", action="store_true", help="the tree as the last run saw it, whatever has changed since")
    parser.add_argument("--no-sanitizers", action="store_true", help="the plain build only")
    parser.add_argument("--list", action="store_true", help="print the changes, and try none")
    return parser.parse_args()


# ---- Which changes ----

def all_changes(paths, possible, folder):
    """Those in code: what no coverage build has a counter for is a table or a declaration."""
    found = []
    for path in paths:
        if not path.startswith(("server/", "lua/")) or not path.endswith((".c", ".lua")) or not path.startswith(folder):
            continue
        text = tree.read(path).decode()
        code = set(possible.get(path, ()))
        found += [c for c in changes.of_file(path, text) if path.endswith(".lua") or c.line in code]
    return found


def in_place(change, old, new):
    """An older tree's change in this one's text; None where its lines are no longer there."""
    line = reach.moved(old, new.splitlines()).get(change.line)
    text = "\n".join(old) + "\n"
    if line is None:
        return None
    start = len("".join(new.splitlines(True)[:line - 1])) + change.start - len("".join(text.splitlines(True)[:change.line - 1]))
    end = start + change.end - change.start
    return change._replace(line=line, start=start, end=end) if new[start:end] == text[change.start:change.end] else None


def unnoticed(results):
    """What a run before left, as changes of the tree of now."""
    key = os.path.basename(results).split("-")[1]
    sources = reach.load(os.path.join(tree.HOME, "reach-%s.json.gz" % key))["sources"]
    with open(results) as file:
        entries = [entry for entry in map(json.loads, file) if entry["outcome"] in COUNTED and entry["outcome"] != "noticed"]
    for old in (changes.Change(*entry["change"]) for entry in entries):
        path = os.path.join(tree.BASE, old.path)
        change = in_place(old, sources[old.path], tree.read(old.path).decode()) if os.path.exists(path) else None
        if change:
            yield change
        else:
            reach.say("mutate: %s:%d has changed meanwhile" % (old.path, old.line))


def pick(options, found):
    """An endless row of changes, the same for the same seed and tree."""
    if options.again:
        yield from unnoticed(options.again)
        return
    if options.at:
        path, _, line = options.at.rpartition(":")
        yield from (c for c in found if c.path == path and c.line == int(line))
        return
    by_kind = {kind: [c for c in found if c.kind == kind] for kind in changes.KINDS}
    kinds = [kind for kind in changes.KINDS if by_kind[kind] and options.kind in (None, kind)]
    chance, left = random.Random(options.seed), sum(len(by_kind[kind]) for kind in kinds)
    seen = set()
    while len(seen) < left:
        change = chance.choice(by_kind[chance.choices(kinds, [SHARES[kind] for kind in kinds])[0]])
        if change not in seen:
            seen.add(change)
            yield change


# ---- One change ----

class Judge:
    """Tries changes in one copy of the tree."""

    def __init__(self, number, options, found, paths):
        self.options, self.map, self.copy = options, found, tree.Tree(number)
        self.copy.refresh(paths)
        self.builds = ["plain"] if options.no_sanitizers else ["plain", "sanitized"]
        for build in self.builds:
            self.copy.configure(build)
        reach.say("mutate: building in " + self.copy.folder)
        failed = self.copy.make("plain", seconds=3600)
        if failed:
            sys.exit("mutate: it does not build as it is:\n" + failed)
        for build in self.builds:  # the programs of the others are made when they are wanted
            self.copy.read_tests(build)
        self.failing = {}

    def code_of(self, path):
        """The machine code (or LuaJIT's input) of a file, without what only debuggers read."""
        codes = []
        for target in self.copy.objects("plain", path):
            full = os.path.join(self.copy.build_folder("plain"), target)
            subprocess.run(["objcopy", "--strip-debug", full, full + ".bare"], check=True)
            with open(full + ".bare", "rb") as file:
                codes.append(file.read())
            os.remove(full + ".bare")
        return codes

    def reaching(self, change):
        """The tests that reach the line, those first that are cheap and about its folder: a minute of them notices what an
        hour of servers that start would. A line of Lua that begins no instruction belongs to one above."""
        lines = range(change.line, max(0, change.line - (8 if change.path.endswith(".lua") else 1)), -1)
        for line in lines:
            tests = [(one["seconds"] / self.share(name, change.path), name) for name, one in self.map["tests"].items()
                     if one["ok"] and line in self.reached(name, change.path)]
            if tests:
                return [name for _, name in sorted(tests)]
        return []

    def share(self, name, path):
        """The part of all that a test reaches that is in the folder of `path`."""
        lines, folder = self.map["tests"][name]["lines"], os.path.dirname(path) + "/"
        return sum(len(lines[one]) for one in lines if one.startswith(folder)) / sum(map(len, lines.values()))

    def reached(self, name, path):
        lines = self.map["tests"][name]["lines"].get(path, ())
        if isinstance(lines, list):
            lines = self.map["tests"][name]["lines"][path] = set(lines)
        return lines

    def notices(self, build, name):
        """True where the test fails: at once for what is built, and twice in turn for what talks to a server."""
        test, seconds = self.copy.tests[build].get(name), self.map["tests"][name]["seconds"]
        if not test or self.copy.make(build, self.copy.programs(build, test)):
            return False
        limit = GRACE + ENDS_WITH_LOAD * seconds * (3 if build == "sanitized" else 1)
        unit = len(test.command) == 1
        return all(self.copy.run(build, test, limit)[0] != 0 for _ in range(1 if unit else 2))

    def is_sound(self, build, name):
        """Whether the test passes without any change, where a build was not measured before."""
        if build == "plain":
            return True
        if name not in self.failing:
            self.failing[name] = self.notices(build, name)
        return not self.failing[name]

    def judge(self, change):
        """{"outcome", "by", "run"}"""
        text = tree.read(change.path).decode()
        targets = self.copy.objects("plain", change.path)
        self.copy.make("plain", targets)
        before = self.code_of(change.path)
        try:
            tree.put(self.copy.folder, change.path, changes.applied(text, change).encode())
            if not is_lua_sound(change, text) or self.copy.make("plain", targets):
                return {"outcome": "does not compile"}
            if self.code_of(change.path) == before:
                return {"outcome": "same code"}
            return self.judge_by_tests(change, text)
        finally:
            tree.put(self.copy.folder, change.path, text.encode())

    def judge_by_tests(self, change, text):
        tests = self.reaching(change)
        if not tests:
            return {"outcome": "no test reaches it"}
        left_out = 0
        for build in self.builds:
            spent, bound = 0, self.options.bound if build == "plain" else self.options.bound // 2
            for name in tests:
                cost = self.map["tests"][name]["seconds"] * (3 if build == "sanitized" else 1)
                if (spent and spent + cost > bound) or self.map["tests"][name]["seconds"] > self.options.slowest:
                    left_out += build == "plain"
                    continue
                spent += cost
                if self.notices(build, name) and self.confirmed(build, name, change, text):
                    return {"outcome": "noticed", "by": name + ("" if build == "plain" else " (sanitized)")}
        return {"outcome": "survived", "tests": len(tests), "left out": left_out, "builds": self.builds}

    def confirmed(self, build, name, change, text):
        """A test that fails in this build without the change, too, has not noticed it."""
        if build == "plain":
            return True
        tree.put(self.copy.folder, change.path, text.encode())
        sound = self.is_sound(build, name)
        tree.put(self.copy.folder, change.path, changes.applied(text, change).encode())
        return sound


LOAD_LUA = """
import ctypes, sys
library = ctypes.CDLL("libluajit-5.1.so.2")
library.luaL_newstate.restype = ctypes.c_void_p
library.luaL_loadbuffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p]
text = sys.stdin.buffer.read()
sys.exit(library.luaL_loadbuffer(library.luaL_newstate(), text, len(text), b"=new"))
"""


def is_lua_sound(change, text):
    """Lua is compiled when a test runs; what does not compile would be noticed by all. In a process of its own, since
    LuaJIT's parser crashes at some texts."""
    if not change.path.endswith(".lua"):
        return True
    return subprocess.run([sys.executable, "-c", LOAD_LUA], input=changes.applied(text, change).encode(),
                          stderr=subprocess.DEVNULL).returncode == 0


# ---- All of them ----

COUNTED = ("noticed", "survived", "no test reaches it")


def results_path(options, paths):
    where = (options.folder or options.at or ("again" if options.again else "all")).replace("/", "-")
    return os.path.join(tree.HOME, "results-%s-%s-%d%s.jsonl" % (tree.key(paths), where, options.seed, "-" + options.kind if options.kind else ""))


def earlier(path):
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return {tuple(entry["change"]): entry for entry in map(json.loads, file)}


def try_all(options, found, paths, picked):
    """The entries of the first `count` changes that count."""
    path, lock, entries, at_work = results_path(options, paths), threading.Lock(), [], set()
    known, judges = earlier(path), [Judge(number, options, found, paths) for number in range(options.jobs)]

    def take():
        with lock:
            change = next(picked, None) if len(entries) + len(at_work) < options.count else None
            at_work.add(change)
            return change

    def keep(entry):
        change = entry["change"]
        with lock:
            at_work.discard(change)
            if tuple(change) not in known:
                with open(path, "a") as file:
                    file.write(json.dumps(entry) + "\n")
            if entry["outcome"] in COUNTED:
                entries.append(entry)
            reach.say("%4d %-9s %-36s %s%s" % (len(entries), change.kind, "%s:%d" % (change.path, change.line), entry["outcome"],
                                               ": " + entry["by"] if "by" in entry else ""))

    def work(judge):
        while change := take():
            outcome = known.get(tuple(change)) or judge.judge(change)
            keep({**outcome, "change": change})

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(work, judges))
    return entries


def table(title, entries, group):
    rows = collections.defaultdict(list)
    for entry in entries:
        rows[group(changes.Change(*entry["change"]))].append(entry["outcome"])
    print("%-24s %8s %8s %10s %10s %7s" % (title, "changes", "noticed", "survived", "unreached", ""))
    for name in sorted(rows) + ["all"]:
        outcomes = rows[name] if name != "all" else [entry["outcome"] for entry in entries]
        noticed = outcomes.count("noticed")
        print("%-24s %8d %8d %10d %10d %6.0f%%" % (name, len(outcomes), noticed, outcomes.count("survived"),
                                                  outcomes.count("no test reaches it"), 100 * noticed / max(1, len(outcomes))))
    print()


def show(entry):
    change = changes.Change(*entry["change"])
    text = tree.read(change.path).decode()
    why = entry["outcome"] if entry["outcome"] != "survived" else "survived %d tests%s" % (
        entry["tests"], ", %d more left out for time" % entry["left out"] if entry["left out"] else "")
    print("%s:%d %s: %s" % (change.path, change.line, change.kind, why))
    diff = difflib.unified_diff(text.splitlines(), changes.applied(text, change).splitlines(), n=0, lineterm="")
    print("\n".join("    " + line for line in list(diff)[3:]))


def report(entries):
    table("folder", entries, lambda change: os.path.dirname(change.path))
    table("kind", entries, lambda change: change.kind)
    for entry in entries:
        if entry["outcome"] != "noticed":
            show(entry)


def main():
    options = arguments()
    paths, lock = tree.take_base(options.same)
    copy = tree.Tree(0)
    copy.refresh(paths)
    found = reach.get(copy, paths, options.jobs, options.near, options.leave_out)
    picked = pick(options, all_changes(paths, found["possible"], options.folder))
    if options.list:
        for change, _ in zip(picked, range(options.count)):
            print("%s:%d %s -> %r" % (change.path, change.line, change.kind, change.new))
        return
    report(try_all(options, found, paths, picked))
    lock.close()


if __name__ == "__main__":
    main()
