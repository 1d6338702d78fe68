/*
 * traceparent.h - the header by which a receiver's traces can be joined with ours (W3C Trace Context, version 00).
 *
 * All attempts of all deliveries of a message are one trace; each attempt is a span of its own. Both are made of the
 * ids that the log has, so that nothing is to be remembered.
 */
#ifndef MXHOOK_DELIVER_TRACEPARENT_H
#define MXHOOK_DELIVER_TRACEPARENT_H

#define TRACEPARENT_SIZE 72 /* "traceparent: 00-...-...-01" and its NUL */

/* The whole header. Any thread. */
void traceparent_write(char header[TRACEPARENT_SIZE], const char *delivery_id, unsigned attempt);

#endif
