"""faults.py - what the fault tests share: the environment that makes inject.c strike."""

import contextlib
import os

INJECT = os.environ.get("MXHOOK_INJECT_LIBRARY", "")


def injecting(kind, site, occurrence, action):
    """The environment for one fault; see inject.c."""
    return {"LD_PRELOAD": INJECT, "MXHOOK_INJECT": "%s:%x:%d:%s" % (kind, site, occurrence, action)}


@contextlib.contextmanager
def environment(values):
    """For processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
