/* body.h - bodies that are kept, as bytes: for stores. The history's thread. */
#ifndef MXHOOK_HISTORY_BODY_H
#define MXHOOK_HISTORY_BODY_H

#include "record.h"

/* All of it, which the caller frees, and its size. 0, -ENOMEM, or why it cannot be read (a negative errno). */
int body_of_spill(const struct spill *spill, char **bytes, size_t *size);
int body_of_payload(const struct payload *payload, char **bytes, size_t *size);

/* Deliveries of one recipient share a payload, and so a row: the first that has that of delivery `index`; NULL: this one
 * is the first, or has none. */
const struct history_delivery *body_shared_with(const struct history_message *message,
                                                size_t index);

#endif
