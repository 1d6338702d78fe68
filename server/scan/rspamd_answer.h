/* rspamd_answer.h - rspamd's answer to /checkv2, read from JSON. */
#ifndef MXHOOK_SCAN_RSPAMD_ANSWER_H
#define MXHOOK_SCAN_RSPAMD_ANSWER_H

#include "../config/config.h"
#include "result.h"

/* Bytes. rspamd's are some 2 to 20 KB, but it lists the hosts of a message's URLs, 10,240 at most, and no sender shall
 * be able to make an answer that is not read. Little of it is kept. */
#define RSPAMD_ANSWER_MAX  (8u << 20)
#define RSPAMD_SYMBOLS_MAX 1000
#define RSPAMD_OPTIONS_MAX 20  /* of one symbol */
#define RSPAMD_FIELDS_MAX  50  /* that it asks to add, and to remove */
#define RSPAMD_TEXT_MAX    998 /* bytes of any text of it (RFC 5322 section 2.1.1) */
#define RSPAMD_WORD_MAX                                                                            \
    740 /* of a word of a field, and of a virus: with a name of 255 bytes, a line */

/* An answer that is being read. */
struct rspamd_answer;

/* Begins to read one into `result`, which outlives it, with the fields that it leads to. What is over a limit is left
 * out, and so are fields that the server writes itself; texts are cut, and are valid UTF-8 without control characters.
 * NULL: no memory. */
struct rspamd_answer *rspamd_answer_new(const struct scan_config *config,
                                        struct scan_result *result);

/* The next bytes, in pieces of any size. False: it is larger than RSPAMD_ANSWER_MAX. */
bool rspamd_answer_read(struct rspamd_answer *answer, const char *bytes, size_t size);

/* That was all: 0, -EBADMSG where it is no answer, or -ENOMEM. */
int rspamd_answer_end(struct rspamd_answer *answer);

void rspamd_answer_free(struct rspamd_answer *answer); /* takes NULL */

#endif
