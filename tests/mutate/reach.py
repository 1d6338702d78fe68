"""reach.py - which lines each test reaches.

One build by clang with coverage whose counters live in a mapped file, so that what is killed has counted, too, and what is
confined needs to open nothing at its end; our Lua by lua_lines.c. Kept in HOME, named by what is in the tree.
"""

import concurrent.futures
import difflib
import glob
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tree

FLAGS = "-O1 -g -fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation"
SLOWEST = 120  # seconds; what takes longer in the coverage build is left out


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def build(copy):
    """The coverage build of this copy."""
    if not shutil.which("clang") or not shutil.which("llvm-cov"):
        sys.exit("mutate: it needs clang and llvm-cov: scripts/setup --fuzz")
    lua = subprocess.run(["pkg-config", "--cflags", "luajit"], check=True, capture_output=True, text=True).stdout.split()
    hook = os.path.join(copy.folder, "lua_lines.o")
    subprocess.run(["clang", "-D_GNU_SOURCE", "-O1", *lua, "-c", os.path.join(copy.folder, "tests/mutate/lua_lines.c"), "-o", hook],
                   check=True)
    copy.environment.update(CCACHE_HASHDIR="true", CCACHE_BASEDIR="")  # these objects name their sources
    copy.configure("coverage", "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_C_FLAGS=" + FLAGS, "-DCMAKE_EXE_LINKER_FLAGS=%s -ldl" % hook,
                   CC="clang")
    failed = copy.make("coverage", seconds=3600)
    if failed:
        sys.exit("mutate: the coverage build fails:\n" + failed)
    copy.read_tests("coverage")


def lines_of_c(copy, raws, programs, folder):
    """{path: {line: reached}} from what LLVM wrote."""
    merged = os.path.join(folder, "merged")
    subprocess.run(["llvm-profdata", "merge", "-sparse", *raws, "-o", merged], check=True, capture_output=True)
    objects = [argument for program in programs[1:] for argument in ("-object", program)]
    out = subprocess.run(["llvm-cov", "export", programs[0], *objects, "-instr-profile", merged, "-format=lcov"],
                         capture_output=True, text=True).stdout
    found, here = {}, None
    for line in out.splitlines():
        if line.startswith("SF:"):
            path = os.path.relpath(line[3:], copy.folder)
            here = found.setdefault(path, {}) if path.startswith("server/") else None
        elif here is not None and line.startswith("DA:"):
            number, count = line[3:].split(",")[:2]
            here[int(number)] = here.get(int(number), False) or int(count) > 0
    return found


def lines_of_lua(path):
    found = {}
    if os.path.exists(path):
        with open(path, errors="replace") as file:
            for line in file:
                module, _, number = line.strip().rpartition(":")
                if number.isdigit():
                    found.setdefault("lua/%s.lua" % module.replace(".", "/"), set()).add(int(number))
    return found


def measure(copy, test):
    """What this test reaches: {"seconds", "ok", "lines": {path: [line...]}}, and what could be reached."""
    with tempfile.TemporaryDirectory(prefix="mxhook-reach-") as folder:
        lua = os.path.join(folder, "lua")
        code, seconds = copy.run("coverage", test, min(SLOWEST, test.timeout),
                                 {"LLVM_PROFILE_FILE": os.path.join(folder, "%c%m.raw"), "MXHOOK_LUA_LINES": lua})
        raws = [raw for raw in glob.glob(folder + "/*.raw") if os.path.getsize(raw) > 0]
        candidates = copy.programs("coverage", test) or ["mxhook"]
        programs = [os.path.join(copy.build_folder("coverage"), name) for name in candidates if not name.endswith(".so")]
        c = lines_of_c(copy, raws, programs, folder) if raws and programs else {}
        reached = {path: sorted(line for line, hit in lines.items() if hit) for path, lines in c.items()}
        for path, lines in lines_of_lua(lua).items():
            reached[path] = sorted(lines)
        possible = {path: sorted(lines) for path, lines in c.items()}
    return {"seconds": round(seconds, 2), "ok": code == 0, "lines": {p: l for p, l in reached.items() if l}}, possible


def moved(old, new):
    """Old line number to new, for the lines that are the same."""
    where = {}
    for block in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        for i in range(block.size):
            where[block.a + i + 1] = block.b + i + 1
    return where


def carried(before, paths):
    """A map of an older tree, with its line numbers as they are now; and the tests whose own files have changed."""
    now = {path: tree.read(path).decode(errors="replace").splitlines() for path in paths}
    where = {path: moved(lines, now[path]) for path, lines in before["sources"].items()
             if path in now and lines != now[path] and path.startswith(("server/", "lua/"))}

    def move(lines_by_path):
        return {path: sorted({where[path][line] for line in lines if line in where[path]}) if path in where else lines
                for path, lines in lines_by_path.items() if path in now}

    changed = {os.path.splitext(os.path.basename(path))[0] for path in now
               if path.startswith("tests/") and before["sources"].get(path) != now[path]}
    tests = {name: {**one, "lines": move(one["lines"])} for name, one in before["tests"].items()
             if name not in changed and name.split("_", 1)[-1] not in changed}
    return {"tests": tests, "possible": move(before["possible"])}


def load(path):
    with gzip.open(path, "rt") as file:
        return json.load(file)


def merge(found, name, result, possible):
    found["tests"][name] = result
    for path, lines in possible.items():
        found["possible"][path] = sorted(set(found["possible"].get(path, ())) | set(lines))


def measured_before(part, found):
    """What a run that was interrupted has measured."""
    if os.path.exists(part):
        with open(part) as file:
            for line in file:
                if line.endswith("\n"):
                    merge(found, *json.loads(line))


def get(copy, paths, jobs, near, leave_out):
    """The map of the tree as it is; made where there is none. With `near`, from the newest there is: tests that are
    new or changed are measured, and lines that have changed are reached by nobody new."""
    path = os.path.join(tree.HOME, "reach-%s.json.gz" % tree.key(paths))
    if os.path.exists(path):
        return load(path)
    older = sorted(glob.glob(os.path.join(tree.HOME, "reach-*.json.gz")), key=os.path.getmtime)
    found = carried(load(older[-1]), paths) if near and older else {"tests": {}, "possible": {}}
    part = path.replace(".json.gz", ".part.jsonl")
    measured_before(part, found)
    say("mutate: building with coverage")
    build(copy)
    todo = [test for name, test in copy.tests["coverage"].items()
            if name not in found["tests"] and not (leave_out and re.search(leave_out, name))]
    say("mutate: running %d tests with coverage" % len(todo))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool, open(part, "a") as file:
        for test, (result, possible) in zip(todo, pool.map(lambda one: measure(copy, one), todo)):
            say("  %-40s %6.1f s%s" % (test.name, result["seconds"], "" if result["ok"] else "  fails: left out"))
            merge(found, test.name, result, possible)
            file.write(json.dumps([test.name, result, possible]) + "\n")
            file.flush()
    found["tests"] = {name: one for name, one in found["tests"].items() if name in copy.tests["coverage"]}
    found["sources"] = {p: tree.read(p).decode(errors="replace").splitlines() for p in paths
                        if p.startswith(("server/", "lua/", "tests/")) and p.endswith((".c", ".h", ".lua", ".py", ".txt"))}
    with gzip.open(path + ".part", "wt") as file:
        json.dump(found, file)
    os.replace(path + ".part", path)
    os.remove(part)
    return found
