#!/usr/bin/python3
"""What holds for all of server/, asked of the sources and of what was compiled of them.

BUILD: the build folder. Names of functions are unique over rooms, since two of one name link without a word; none is
there for tests alone, or exported for nobody; what a header names stands for one thing; rooms stand on each other without
a circle; a function fits on a screen.
"""
import os
import re
import subprocess
import sys
import unittest
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "server"
BUILD = Path(os.environ["BUILD"]) / "server"
FUNCTION_LINES = 60


def source_of(name):
    """build/server/mail/CMakeFiles/mx_mail.dir/date.c.o -> mail/date.c"""
    return re.sub(r"CMakeFiles/[^/]*\.dir/", "", os.path.relpath(name, BUILD))[:-2]


def objects():
    """Not those that a folder which is built in for long still has of sources that are gone."""
    return sorted(str(path) for path in BUILD.rglob("*.c.o") if (SERVER / source_of(path)).is_file())


def symbols():
    """By name: the sources that define it, and those that use it from elsewhere."""
    defined, used = defaultdict(list), defaultdict(set)
    text = subprocess.run(["nm", "-A", "-P", *objects()], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        where, name, kind = line.rsplit(":", 1)[0], *line.rsplit(":", 1)[1].split()[:2]
        if name.startswith("__"):  # the compiler's, as AddressSanitizer has it add some
            continue
        if kind in "TDBR":
            defined[name].append(source_of(where))
        elif kind == "U":
            used[name].add(source_of(where))
    return defined, used


def code_of(path):
    """Without comments and the contents of strings."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", path.read_text(), flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


PROCESSING = {"outcome.c", "outgoing.c", "processing.c", "trial.c"}  # a message's way, below what leads there


def room_of(source):
    if "/" in source:
        return source.split("/")[0]
    return "processing" if source in PROCESSING else source if source == "transaction.c" else "top floor"


def circles(arrows):
    """Sets of what can be reached from itself (Tarjan)."""
    number, low, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        for after in sorted(arrows.get(node, ())):
            if after not in number:
                visit(after)
                low[node] = min(low[node], low[after])
            elif after in stack:
                low[node] = min(low[node], number[after])
        if low[node] == number[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(arrows):
        if node not in number:
            visit(node)
    return found


def functions(path):
    """(name, lines) of each; the format has a function's brace, and no other's, at the beginning of a line."""
    name, began = None, 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line == "{":
            began = number
        elif line == "}" and began:
            yield name, number - began + 1
            began = 0
        elif not began and (match := re.match(r"[a-z].*?(\w+)\(", line)):
            name = match.group(1)


class Tree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.defined, cls.used = symbols()

    def test_enough_was_read(self):
        self.assertGreater(len(self.defined), 500)
        self.assertGreater(sum(1 for path in SERVER.rglob("*.c") for _ in functions(path)), 2000)

    def test_names_are_unique(self):
        self.assertEqual([], [(name, where) for name, where in self.defined.items() if len(where) > 1])

    def test_tags_of_headers_are_unique(self):
        """A struct, enum or union of a header is nothing else elsewhere, also not of a file alone."""
        where = defaultdict(list)
        for path in sorted(SERVER.rglob("*.[ch]")):
            for tag in re.findall(r"\b(?:struct|enum|union)\s+(\w+)\s*\{", code_of(path)):
                where[tag].append(str(path.relative_to(SERVER)))
        self.assertGreater(len(where), 400)
        self.assertEqual([], [(tag, files) for tag, files in sorted(where.items())
                              if len(files) > 1 and any(file.endswith(".h") for file in files)])

    def test_headers_name_what_is_there(self):
        """Each file and function of ours that a header's comment names: one that is gone makes the comment untrue."""
        code = " ".join(code_of(path) for path in [*SERVER.rglob("*.[ch]"), *(ROOT / "lua").rglob("*.lua")])
        names = set(re.findall(r"[A-Za-z_]\w*", code))
        files = {path.name for path in SERVER.rglob("*.[ch]")}
        wrong = []
        for path in sorted(SERVER.rglob("*.h")):
            for comment in re.findall(r"/\*.*?\*/", path.read_text(), flags=re.S):
                wrong += [f"{path.name}: {name}" for name in re.findall(r"\b[\w/.-]+\.[ch]\b(?!\w)", comment)
                          if name.rsplit("/", 1)[-1] not in files]
                wrong += [f"{path.name}: {name}()" for name in re.findall(r"\b([A-Za-z]\w*)\(\)", comment)
                          if name not in names]
        self.assertEqual([], wrong)

    def test_what_is_exported_is_used(self):
        tests = " ".join(code_of(path) for path in (ROOT / "tests").rglob("*.[ch]"))
        wrong = []
        for name, (source, *_) in sorted(self.defined.items()):
            path = SERVER / source
            if self.used[name] or name == "main" or not path.is_file():
                continue
            tested = re.search(rf"\b{name}\b", tests)
            if len(re.findall(rf"\b{name}\b", code_of(path))) < 2:
                wrong.append(f"{source}: {name}(): only tests call it" if tested else f"{source}: {name}(): nothing calls it")
            elif not tested:
                wrong.append(f"{source}: {name}(): only its own file calls it: static")
        self.assertEqual([], wrong)

    def test_rooms_stand_on_each_other(self):
        arrows = defaultdict(set)
        for name, users in self.used.items():
            for user in users:
                for source in self.defined.get(name, ()):
                    if room_of(user) != room_of(source):
                        arrows[room_of(user)].add(room_of(source))
        arrows["cli"].discard("top floor")  # main.c is the top floor's, and calls each command: one program, two folders
        self.assertEqual([], circles(arrows))

    def test_functions_fit_on_a_screen(self):
        long = [f"{path.relative_to(ROOT)}: {name}(): {lines} lines" for path in sorted(SERVER.rglob("*.c"))
                for name, lines in functions(path) if lines > FUNCTION_LINES]
        self.assertEqual([], long)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
