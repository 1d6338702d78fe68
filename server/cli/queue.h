/*
 * queue.h - for the queue*.c files alone: what `mxhook queue` was asked for.
 *
 * To add an action: a function in one of them, and a row in queue.c.
 */
#ifndef MXHOOK_CLI_QUEUE_H
#define MXHOOK_CLI_QUEUE_H

#include "../history/record.h"
#include "../spool/queue.h"
#include "when.h"

struct queue_arguments {
    const char *config;
    const struct config *loaded; /* what stands there */
    struct queue_filter filter;
    bool has_filter;
    bool all;          /* everything, said so */
    bool dry_run, yes; /* show what would be changed; do not ask */
    bool json;
    const char *to; /* export: the folder */
    bool now;       /* retry: what is held is probed at once */
    struct queue_edit edit;
    const char *command; /* the action's name */
    char **operands;
    int operand_count;
};

/* "waiting"; "paused" where it waits for what is. */
const char *queue_state(const struct delivery *delivery, const struct pauses *pauses);

/* The actions: 0, or a negative errno and err. */
int queue_print_list(struct queue *queue, const struct queue_arguments *arguments,
                     struct error *err);
int queue_print_show(struct queue *queue, const struct queue_arguments *arguments,
                     struct error *err);
int queue_print_origins(struct queue *queue, const struct queue_arguments *arguments,
                        struct error *err);
int queue_print_failures(struct queue *queue, const struct queue_arguments *arguments,
                         struct error *err);
int queue_change_retry(struct queue *queue, const struct queue_arguments *arguments,
                       struct error *err);
int queue_change_drop(struct queue *queue, const struct queue_arguments *arguments,
                      struct error *err);
int queue_change_edit(struct queue *queue, const struct queue_arguments *arguments,
                      struct error *err);

/* queue_history.c: notes in the history what is done; `words`, by what, are borrowed. Where nothing is kept, or it cannot be
 * noted, nothing is. NULL: no memory. */
struct noting;
struct noting *queue_noting_new(const struct config *config, enum history_action action,
                                const char *words);
void queue_noting_add(void *noting, const char *id); /* for queue_on_change() */
void queue_noting_end(struct noting *noting);        /* takes NULL */

/* A delivery as a line for people. `pauses`: those of the spool. */
void queue_print_line(const struct delivery *delivery, const struct pauses *pauses);

/* JSON: a document is begun, filled in, and printed at its end. */
struct json;
struct queue_json;
struct queue_json *queue_json_new(void);                 /* NULL: no memory */
struct json *queue_json_writer(struct queue_json *json); /* what its values are written with */
/* Its fields. */
void queue_json_delivery(struct json *json, const struct delivery *delivery,
                         const struct pauses *pauses);
void queue_json_time(struct json *json, const char *key, int64_t unix_ms); /* 0: null */
int queue_json_print(struct queue_json *json); /* and frees it; 0 or a negative errno */
void queue_json_free(struct queue_json *json); /* unprinted; takes NULL */

#endif
