/*
 * history.h - what was accepted, refused, delivered and failed, kept for a while to be looked at.
 *
 * note     what somebody has to tell: a message with its reply, an attempt. Copied, and handed to the history's
 *          own thread, which writes in batches
 * store    where it is kept, behind history_ops (ops.h): a SQLite file of its own beside the spool, or
 *          tables in the database that nodes share (postgres/)
 *
 * As the log, there is one for the process, and whoever has something to tell does so where it happens. It never
 * stands in mail's way: no caller waits, notes that come faster than they can be written are dropped (and
 * counted), and a history that is lost, damaged or full stops nothing.
 *
 * Where to start: to keep another fact, record.h and segment.h; to filter by it, filter.h.
 */
#ifndef MXHOOK_HISTORY_H
#define MXHOOK_HISTORY_H

#include "../base/error.h"
#include "../config/config.h"
#include "record.h"

/* Opens or makes the history in the spool's directory and starts its thread. Where that fails there is no history:
 * logged, and no error. Nothing is kept where history.keep is 0. Once, before the others. */
void history_start(const struct config *config);
/* Other limits from now on; the directory stays. Any thread. */
void history_configure(const struct history_config *config);
/* Writes what was noted, and ends the thread. Nobody notes any more. */
void history_stop(void);

/* Both take the record over; NULL (no memory for it): nothing. Any thread. */
void history_note_message(struct history_message *message);
void history_note_attempt(struct history_attempt *attempt);

#endif
