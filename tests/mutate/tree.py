"""tree.py - a copy of the tree, built, with its tests."""

import collections
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOME = os.path.join(ROOT, "build", "mutate")
BUILDS = {"plain": (), "sanitized": ("-DMXHOOK_SANITIZE=address,undefined",)}

Test = collections.namedtuple("Test", "name command folder environment timeout")


def sources():
    """Every file of the tree, as it is now, committed or not."""
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                         capture_output=True, text=True).stdout
    return sorted(path for path in set(out.split("\0")) if path and os.path.isfile(os.path.join(ROOT, path)))


def read(folder, path):
    with open(os.path.join(folder, path), "rb") as file:
        return file.read()


def key(paths):
    """Names the tree by what is in it."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode() + b"\0" + hashlib.sha256(read(ROOT, path)).digest())
    return digest.hexdigest()[:16]


def put(folder, path, content):
    """Only where it differs: what is not touched is not built again."""
    full = os.path.join(folder, path)
    if os.path.isfile(full) and read(folder, path) == content:
        return
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(content)
    shutil.copymode(os.path.join(ROOT, path), full)


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
        for path in paths:
            put(self.folder, path, read(ROOT, path))
        wanted = set(paths)
        for folder in ("server", "lua", "tests", "rules.d"):
            for parent, _, names in os.walk(os.path.join(self.folder, folder)):
                for name in names:
                    full = os.path.join(parent, name)
                    if os.path.relpath(full, self.folder) not in wanted and "node_modules" not in full:
                        os.remove(full)
        modules = os.path.join(self.folder, "tests/console/node_modules")
        if os.path.isdir(os.path.join(ROOT, "tests/console/node_modules")) and not os.path.lexists(modules):
            os.symlink(os.path.join(ROOT, "tests/console/node_modules"), modules)

    def build_folder(self, build):
        return os.path.join(self.folder, "build", build)

    def configure(self, build, *options, **environment):
        command = ["cmake", "-G", "Ninja", "-S", self.folder, "-B", self.build_folder(build), *BUILDS.get(build, ()), *options]
        subprocess.run(command, env={**self.environment, **environment}, check=True, stdout=subprocess.DEVNULL)
        out = subprocess.run(["ctest", "--test-dir", self.build_folder(build), "--show-only=json-v1"], check=True,
                             env=self.environment, capture_output=True, text=True).stdout
        self.tests[build] = {test.name: test for test in map(read_test, json.loads(out)["tests"]) if test}

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
