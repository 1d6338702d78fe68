/* segment_private.h - how a message's terms stand in a segment: for segment_write.c and segment_read.c.
 *
 * Its record's place, result and number of recipients, number of deliveries, connection, id, sender, sender's domain;
 * then of each recipient: address, domain; then of each delivery: destination, origin, what has become of it. */
#ifndef MXHOOK_HISTORY_SEGMENT_PRIVATE_H
#define MXHOOK_HISTORY_SEGMENT_PRIVATE_H

#define MESSAGE_TERMS   7u
#define RECIPIENT_TERMS 2u
#define DELIVERY_TERMS  3u

/* What has become of a delivery: two bits of its state, one for `later`, then these. */
#define STATUS_SHIFT 3
#define STATUS_MASK  0x3ffu /* TERM_STATUS_MAX */
#define NUMBER_SHIFT 13
#define NUMBER_MASK  0x7ffffu

/* Of an attempt in a record: its status is below that, and an operator's action stands above it. */
#define ACTION_UNIT 1000u

#endif
