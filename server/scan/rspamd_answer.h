/* rspamd_answer.h - rspamd's answer to /checkv2, read from JSON. */
#ifndef MXHOOK_SCAN_RSPAMD_ANSWER_H
#define MXHOOK_SCAN_RSPAMD_ANSWER_H

#include "../config/config.h"
#include "result.h"

#define RSPAMD_ANSWER_MAX  (256u << 10) /* bytes; rspamd's are some 2 to 20 KB */
#define RSPAMD_SYMBOLS_MAX 1000
#define RSPAMD_OPTIONS_MAX 20  /* of one symbol */
#define RSPAMD_FIELDS_MAX  50  /* that it asks to add, and to remove */
#define RSPAMD_TEXT_MAX    998 /* bytes of any text of it (RFC 5322 section 2.1.1) */

/* Reads it into `result`, with the fields that it leads to. What is over a limit is left out; texts are cut, and are
 * valid UTF-8 without control characters. 0, -EBADMSG where it is no answer, or -ENOMEM. */
int rspamd_answer_read(const struct scan_config *config, const char *bytes, size_t size,
                       struct scan_result *result);

#endif
