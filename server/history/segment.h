/*
 * segment.h - messages of the history packed together, as a store keeps them: nothing here does I/O.
 *
 * A store that has a row, and the entries of several indexes, for each message pays for a dozen inserts into as many
 * trees. So it gets blobs instead, some hundred messages in each, and no index: a search looks at the terms of all
 * messages, which are 44 bytes of one with one recipient and one delivery.
 *
 * segment   1 to SEGMENT_MESSAGES messages that were noted one after the other, in three blobs:
 * terms     numbers (32 bits, little-endian) of each message, in their order: what a search tests. Addresses, ids and
 *           destinations are there as hashes, so who matches is looked at in its record (filter.h)
 * records   all that is known of each. A text stands there once: where it comes again (a destination, a rule), there is
 *           the place of the first one
 * subjects  a line of each message, as it is searched; no blob where none has a subject
 *
 * What changes afterwards is what has become of a delivery: that is one of its terms (struct delivery_term), which a
 * store overwrites where it stands. Its later attempts are kept beside the segment.
 *
 * The blobs come from a file that may be damaged: all is checked, and -EBADMSG says so.
 *
 * Where to start: to keep another fact, pack_message() in segment_write.c and segment_read() in segment_read.c, with
 * another number of the store's schema.
 */
#ifndef MXHOOK_HISTORY_SEGMENT_H
#define MXHOOK_HISTORY_SEGMENT_H

#include "record.h"

#define SEGMENT_MESSAGES 1024
#define SEGMENT_BYTES                                                                              \
    (4u * 1024 * 1024) /* of records: with more than that a segment is full, too */

struct packed { /* a growing blob; all zero is an empty one */
    char *bytes;
    size_t size, room;
};

/* Room for `size` bytes more, or less. 0 or -ENOMEM. */
int packed_reserve(struct packed *packed, size_t size);
void packed_free(struct packed *packed); /* it is empty then */

/* ---- Writing ---- */

#define SEGMENT_TEXTS 256 /* of late, to be found again */

struct segment_writer { /* all zero is an empty one */
    struct packed terms, records, subjects;
    uint32_t texts[SEGMENT_TEXTS]; /* where one of this hash stands in `records`; 0: nowhere */
    unsigned count;
    bool has_subjects;
    int64_t first_ms, last_ms;                /* the least and the greatest of its times, ... */
    char first_id[ID_SIZE], last_id[ID_SIZE]; /* ... and of its ids */
};

/* Of deliveries it packs what has become of them, and those attempts that they have in `made`. The message is the
 * caller's. 0 or -ENOMEM. */
int segment_add(struct segment_writer *writer, const struct history_message *message);
bool segment_is_full(const struct segment_writer *writer);
void segment_reset(struct segment_writer *writer); /* empty, its memory is kept */
void segment_free(struct segment_writer *writer);

/* ---- Reading ---- */

struct message_terms { /* of one message, in a segment's terms */
    uint32_t result, connection, id, sender, sender_domain;
    uint32_t record; /* where its record begins */
    uint32_t recipient_count, delivery_count;
    const unsigned char *recipients, *deliveries;
};

struct delivery_term {
    enum history_state state;
    int status;
    unsigned number;
    bool later; /* there are attempts beside the segment: the last of them tells more */
};

#define TERM_STATUS_MAX 1023

/* Reads the message's at *at, and steps to the next. -ENOENT: there is no more; -EBADMSG. */
int terms_next(const struct packed *terms, size_t *at, struct message_terms *message);

/* Of a recipient: hashes of its address and of its domain. */
void terms_recipient(const struct message_terms *message, uint32_t number, uint32_t *address,
                     uint32_t *domain);
/* Of a delivery, of which `number` counts from 0. Returns the place of the term that changes, in the blob. */
size_t terms_delivery(const struct packed *terms, const struct message_terms *message,
                      uint32_t number, uint32_t *destination, uint32_t *origin,
                      struct delivery_term *term);
/* What a store writes there, in four bytes. A number above 2^19 - 1, or a status above TERM_STATUS_MAX, is cut. */
void delivery_term_write(const struct delivery_term *term, unsigned char bytes[4]);

/* The message whose terms these are; its texts stand in `records`, the rest is in its arena, which the caller has made
 * and frees. `row` is left to the caller. 0, -EBADMSG or -ENOMEM. */
int segment_read(const struct packed *terms, const struct message_terms *message,
                 const struct packed *records, struct history_message *out);

/* ---- Hashes ---- */

/* Of a text as it is; of an address, whose case does not count; of the domain behind its last '@', of "" without
 * one. */
uint32_t term_of_text(const char *text, size_t size);
uint32_t term_of_address(const char *address);
uint32_t term_of_domain(const char *address);
/* Of the connection that an id begins with. */
uint32_t term_of_connection(const char *id);

/* A subject, or a part of one, as it is searched: in lower case, without control characters. The caller frees it; NULL:
 * no memory. */
char *subject_folded(const char *subject);

#endif
