/* history.h - what the files of `mxhook history` share. */
#ifndef MXHOOK_CLI_HISTORY_H
#define MXHOOK_CLI_HISTORY_H

#include "../history/ops.h"

/* What was wrong with a filter's words. */
#define HISTORY_WORDS                                                                              \
    "--result is accepted, deferred or rejected; --state waiting, delivered, failed or dropped"

struct history_reader {
    struct config *config;
    const struct history_ops *ops;
    struct history_store *store;
};

/* Text for people, to stdout: a line; all that is known, 0 or a negative errno of reading. */
void history_print_line(const struct history_message *message);
int history_print_story(struct history_reader *reader, const struct history_message *message);

struct replay_options {
    const char *to;     /* a URL to send it to instead; NULL: where it went */
    int rate;           /* deliveries a second */
    bool new_id;        /* as deliveries of their own, which receivers have not seen */
    bool through_rules; /* of today, from the message itself */
    bool dry_run;       /* only says what it would do */
    bool json;
};

/* Sends again what the filter finds, the oldest first. An exit code. */
int history_replay(struct history_reader *reader, const struct history_filter *filter,
                   const struct replay_options *options);

#endif
