/*
 * pages.h - the memory of the notes that wait to be written: one after the other in large pages, which the next batch
 * uses again.
 *
 * A note lives for a second, among thousands of things that live for a millisecond. Where each has memory of its own, the
 * heap grows by some MB in that second and shrinks when the batch is freed, by another thread than made it: that was 0.3
 * page faults a message, and cost more than to write the batch.
 *
 * Not for use by two threads at once.
 */
#ifndef MXHOOK_HISTORY_PAGES_H
#define MXHOOK_HISTORY_PAGES_H

#include <stddef.h>

#include "record.h"

struct note_page;

struct note_pages { /* all zero is empty */
    struct note_page *used, *spare;
};

/* Copies, in the pages, without an arena; what is owned by reference (payloads, the message as it came) moves to the
 * copy. The original is freed, also where there is no memory: NULL. The copy's references are freed as any record's, its
 * memory by pages_recycle(). */
struct history_message *pages_take_message(struct note_pages *pages,
                                           struct history_message *message);
struct history_attempt *pages_take_attempt(struct note_pages *pages,
                                           struct history_attempt *attempt);

/* What was copied to `from` is gone: `to` uses its pages again. In turn `from` gets those that `to` had left from the time
 * before, to be freed: so there are as many as the last batch needed, and after a quiet second few. Frees nothing itself, so
 * that it may be called under a lock. */
void pages_recycle(struct note_pages *to, struct note_pages *from);
void pages_free(struct note_pages *pages);

#endif
