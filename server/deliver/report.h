/* report.h - what is said and kept of an attempt: in the log, and in the delivery. */
#ifndef MXHOOK_DELIVER_REPORT_H
#define MXHOOK_DELIVER_REPORT_H

#include "../spool/spool.h"
#include "result.h"
#include "retry.h"

/* Keeps the result as the delivery's last one; what there is no memory for is not kept. */
void report_note(struct delivery *delivery, const struct attempt_result *result);
/* A line of the log: what was tried, what came of it, and when it is tried again. */
void report_log(const struct delivery *delivery, const struct attempt_result *result,
                enum outcome outcome, int64_t pause_ms);

#endif
