/*
 * notice.h - tells the operator's URL (deliver.on_failure) that a delivery has failed for good.
 *
 * notice       a delivery of its own, about another one; its payload is a small JSON document, which
 *              mxhook-payload(5) describes. It is stored with the failure, so it is as safe as mail
 *              is, and retried and signed as others are. Of a notice that fails there is no notice
 */
#ifndef MXHOOK_DELIVER_NOTICE_H
#define MXHOOK_DELIVER_NOTICE_H

#include "../config/config.h"
#include "../spool/spool.h"

/* The notice about one that has just failed, for delivery->notice. `held_ms`: Unix time until when
 * its destination is held because of it, after 410 in a row; 0: it is not. NULL where none is wanted; or
 * where there is no memory, which is logged. Any thread. */
struct delivery *notice_new(const struct deliver_config *config, const struct delivery *failed,
                            int64_t held_ms);

#endif
