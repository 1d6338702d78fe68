#!/usr/bin/env python3
"""history_postgres.py - a history in a PostgreSQL of its own: what filling it takes, a page of 50 by each filter, its size on disk, and the end of a day.

build/.../tests/history/fill must be built. MXHOOK is the binary that it lies beside; MESSAGES (1,000,000).
"""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import postgres  # noqa: E402 (beside the tests that use it)

TABLES = "SELECT c.relname || ' ' || pg_total_relation_size(c.oid) FROM pg_class c WHERE relkind = 'r' AND relname ~ '_[0-9]+$' ORDER BY 1"
DATABASE = "SELECT pg_database_size(current_database())"


def partitions(pg):
    return sorted(line.split() for line in pg.sql(TABLES).splitlines())


def main():
    fill = os.path.join(os.path.dirname(os.path.abspath(os.environ["MXHOOK"])), "tests/history/fill")
    pg = postgres.Postgres()
    try:
        before = int(pg.sql(DATABASE))
        subprocess.run([fill, os.environ.get("MESSAGES", "1000000"), pg.conninfo()], check=True)
        print("the database has grown by %d MB" % ((int(pg.sql(DATABASE)) - before) >> 20))
        for name, size in partitions(pg):
            if int(size) > 1 << 20:
                print("%-40s %5d MB" % (name, int(size) >> 20))
        began = time.monotonic()
        for line in pg.sql("SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                           " WHERE relkind = 'r' AND relname ~ '_[0-9]+$'").splitlines():
            pg.sql("DROP TABLE " + line)
        print("all its days dropped in %.0f ms; the database has %d MB more than before" %
              (1000 * (time.monotonic() - began), (int(pg.sql(DATABASE)) - before) >> 20))
    finally:
        pg.stop()


if __name__ == "__main__":
    main()
