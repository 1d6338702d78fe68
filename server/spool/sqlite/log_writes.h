/*
 * log_writes.h - what a transaction adds to SQLite's log (the WAL) goes to the kernel in one write.
 *
 * SQLite writes each page of a transaction by itself, and before it a header of 24 bytes: two system calls for a page, of some
 * 2.6 calls and 10 us of CPU time for a message. Here they are put together until SQLite syncs the log, or wants to
 * know anything of it. Nobody else misses them before that: other connections read of a log what its index names, and SQLite
 * adds a transaction to the index once it has synced it (synchronous = FULL, which this is for).
 */
#ifndef MXHOOK_SPOOL_LOG_WRITES_H
#define MXHOOK_SPOOL_LOG_WRITES_H

#include <sqlite3.h>

/* For a connection whose log is open: from now on, until SQLite closes it. Without memory, and where
 * there is no log, all stays as it is. */
void log_writes_join(sqlite3 *db);

#endif
