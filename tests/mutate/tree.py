"""tree.py - a copy of the tree, built, with its tests."""

import collections
import fcntl
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOME = os.path.join(ROOT, "build", "mutate")
BASE = os.path.join(HOME, "base")  # the tree as it was when this run began: what is edited meanwhile changes nothing
BUILDS = {"plain": (), "sanitized": ("-DMXHOOK_SANITIZE=address,undefined",)}
# A change is linked into one test after the other: by what does so fastest.
LINKER = ("-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld",) if shutil.which("ld.lld") else ()

Test = collections.namedtuple("Test", "name command folder environment timeout")


def listed():
    """Every file of the tree, committed or not."""
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                         capture_output=True, text=True).stdout
    return sorted(path for path in set(out.split("\0")) if path and os.path.isfile(os.path.join(ROOT, path)))


def read(path, folder=BASE):
    with open(os.path.join(folder, path), "rb") as file:
        return file.read()


def put(folder, path, content, like=BASE):
    """Only where it differs: what is not touched is not built again."""
    full = os.path.join(folder, path)
    if os.path.isfile(full) and read(path, folder) == content:
        return
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(content)
    shutil.copymode(os.path.join(like, path), full)


def copy(paths, source, target):
    """Makes `target` a copy of these files of `source`, and of no others in the folders that are built from."""
    for path in paths:
        put(target, path, read(path, source), source)
    for folder in ("server", "lua", "tests", "rules.d"):
        for parent, _, names in os.walk(os.path.join(target, folder)):
            for name in names:
                full = os.path.join(parent, name)
                if os.path.relpath(full, target) not in wanted_of(paths) and "node_modules" not in full:
                    os.remove(full)


@functools.lru_cache(1)
def wanted_of(paths):
    return set(paths)


def take_base(same):
    """The files of the tree, which are in BASE from now on; or (`same`) those that the run before had. One run at a time."""
    os.makedirs(HOME, exist_ok=True)
    lock = open(os.path.join(HOME, "lock"), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("mutate: another one is at work in " + HOME)
    names = BASE + ".json"
    if same and os.path.exists(names):
        with open(names) as file:
            return tuple(json.load(file)), lock
    paths = tuple(listed())
    copy(paths, ROOT, BASE)
    with open(names, "w") as file:
        json.dump(paths, file)
    return paths, lock


def key(paths):
    """Names the tree by what is in it."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode() + b"\0" + hashlib.sha256(read(path)).digest())
    return digest.hexdigest()[:16]


def run_bounded(command, seconds, **keywords):
    """The exit code, or None where it was ended after `seconds`; what it started ends with it."""
    with subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, **keywords) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Tree:
    """The copy of number `number`: HOME/tree-N, with a folder for each build beside the sources."""

    def __init__(self, number):
        self.folder = os.path.join(HOME, "tree-%s" % number)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MXHOOK")}
        self.environment.setdefault("CMAKE_C_COMPILER_LAUNCHER", "ccache" if shutil.which("ccache") else "")
        self.environment["MXHOOK_CORPORA"] = os.environ.get("MXHOOK_CORPORA", os.path.join(ROOT, "../shared/corpora"))
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        self.tests = {}

    def refresh(self, paths):
        copy(paths, BASE, self.folder)
        modules = os.path.join(self.folder, "tests/console/node_modules")
        if os.path.isdir(os.path.join(ROOT, "tests/console/node_modules")) and not os.path.lexists(modules):
            os.symlink(os.path.join(ROOT, "tests/console/node_modules"), modules)

    def build_folder(self, build):
        return os.path.join(self.folder, "build", build)

    def configure(self, build, *options, **environment):
        command = ["cmake", "-G", "Ninja", "-S", self.folder, "-B", self.build_folder(build), *BUILDS.get(build, ()), *LINKER, *options]
        subprocess.run(command, env={**self.environment, **environment}, check=True, stdout=subprocess.DEVNULL)

    def read_tests(self, build):
        """ctest leaves out the commands of programs that are not built: they are those of the plain build, which is."""
        out = subprocess.run(["ctest", "--test-dir", self.build_folder(build), "--show-only=json-v1"], check=True,
                             env=self.environment, capture_output=True, text=True).stdout
        self.tests[build] = {name: test._replace(command=[word.replace(self.build_folder("plain"), self.build_folder(build))
                                                          for word in test.command])
                             for name, test in self.tests.get("plain", {}).items()}
        self.tests[build].update({test.name: test for test in map(read_test, json.loads(out)["tests"]) if test})

    def make(self, build, targets=(), seconds=1200):
        """None where it was built, else what the compiler says."""
        with open(os.path.join(self.folder, "make.log"), "w+b") as log:
            code = run_bounded(["ninja", "-C", self.build_folder(build), *targets], seconds, env=self.environment, stdout=log,
                               stderr=subprocess.STDOUT)
            log.seek(0)
            return None if code == 0 else log.read().decode(errors="replace")[-2000:]

    def objects(self, build, path):
        """The targets that `path` is compiled to."""
        with open(os.path.join(self.build_folder(build), "compile_commands.json")) as file:
            commands = json.load(file)
        if path.endswith(".lua"):
            path = os.path.join(self.build_folder(build), "server/base/embedded_modules.c")
        full = os.path.join(self.folder, path)
        found = []
        for entry in commands:
            if entry["file"] == full:
                words = entry["command"].split()
                found.append(words[words.index("-o") + 1])
        return found

    def programs(self, build, test):
        """The targets that a test needs: what its command and environment name below the build folder."""
        words = [*test.command, *test.environment.values()]
        prefix = self.build_folder(build) + "/"
        return sorted({word[len(prefix):] for word in words if word.startswith(prefix)})

    def run(self, build, test, seconds, environment=None, log=None):
        """The exit code, None for a time-out; and how long it took."""
        begin = time.monotonic()
        code = run_bounded(test.command, seconds, cwd=test.folder, stdout=log or subprocess.DEVNULL, stderr=subprocess.STDOUT,
                           env={**self.environment, **test.environment, **(environment or {})})
        return code, time.monotonic() - begin


def read_test(entry):
    if "command" not in entry:
        return None
    properties = {p["name"]: p["value"] for p in entry["properties"]}
    environment = dict(word.split("=", 1) for word in properties.get("ENVIRONMENT", ()))
    return Test(entry["name"], entry["command"], properties.get("WORKING_DIRECTORY"), environment, properties.get("TIMEOUT", 300))
