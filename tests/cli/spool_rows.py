"""spool_rows.py - a spool whose every row is known: for tests that compare what is said of it to the letter."""

IN, OTHER = "http://hooks.example/in", "http://other.example/x"
WITH_SECRETS = "http://user:pass@hooks.example/in?key=1"  # the same place, for holds and pauses
NOON = 1795780800000  # 2026-11-27T12:00:00Z
LATER = 4102444800000  # 2100-01-01T00:00:00Z

#          row payload place due attempts created id url secret headers sender recipient status error mail_from via about
ROWS = ((1, 1, IN, LATER, 0, NOON, "01kone-1-1", WITH_SECRETS, "s", "X-A: hidden\nX-B=env:TOKEN\n", "", "a@mail.test", 0, None,
         None, None, None),
        (2, 2, IN, None, 3, NOON + 1000, "01ktwo-1-1", IN, None, None, "s@x.test", "b@mail.test", 500, "answered 500: broken",
         None, None, None),
        (3, 2, IN, None, 1, NOON + 5000, "01ktwo-1-2", IN, None, None, "s@x.test", "c@mail.test", 500, "answered 500: broken",
         None, None, None),
        (4, 4, OTHER, None, 1, NOON + 3000, "01kthree-1-1", OTHER, None, None, "s@x.test", "d@mail.test", 0, "", None, None, None),
        (5, 5, None, LATER + 1000, 2, NOON + 4000, "01kfour-1-1", "boss@else.test", None, None, "", "ops@mail.test", 451,
         "450 later\x1b[31m", "", "smtp://relay.example:25", "01ktwo-1-1"))
PAYLOADS = ((1, 1, b'{"subject":"\x1b[31m"}\nend'), (2, 3, b"{}"), (4, 4, b"{}"), (5, 5, b"Subject: x\r\n\r\n"))


def keys(db, run):
    """Of each place the origin and the lane, as mxhook reckons them: run(arguments...) runs a sub-command."""
    found = {None: (7, 0)}
    for url in (IN, OTHER):
        run("destination", "pause", url)
        found[url], = db.execute("SELECT origin, lane FROM paused")
        run("destination", "resume", url)
    return found


def fill(db, places, noon=NOON):
    for (row, payload, place, due, attempts, created, ident, url, secret, headers, sender, recipient, status, error, mail_from, via,
         about) in ROWS:
        db.execute(
            "INSERT INTO delivery (row, payload, origin, lane, due, attempts, created, id, url, secret, headers, timeout_ms, "
            "attempts_max, sender, recipient, last_status, last_error, mail_from, via, about) VALUES "
            "(?,?,?,?,?,?,?,?,?,?,?,0,0,?,?,?,?,?,?,?)",
            (row, payload, *places[place], due, attempts, created - NOON + noon, ident, url, secret, headers, sender, recipient, status,
             error, mail_from, via, about))
    db.executemany("INSERT INTO payload (row, last, bytes) VALUES (?, ?, ?)", PAYLOADS)
    db.executemany("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?)", (
        (2, noon + 2000, 12, 500, "answered 500: broken", b"why\nnot"), (2, noon + 9000, 30000, 0, "timed out", None)))


def pause(db, places, place, lane, since, reason):
    origin, of_lane = places[place]
    db.execute("INSERT INTO paused VALUES (?, ?, ?, ?, ?)",
               (origin, of_lane if lane else 0, place if lane else place.rpartition("/")[0], reason, since))


def hold(db, places, place, lane, until, failures):
    origin, of_lane = places[place]
    db.execute("INSERT INTO held VALUES (?, ?, ?, ?, ?)",
               (origin, of_lane if lane else 0, "http://hooks.example:80", until, failures))
