#include "transaction.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spill.h"

struct transaction *transaction_new(const char *id, struct ruleset *rules,
                                    void (*release)(struct ruleset *rules))
{
    struct transaction *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    snprintf(t->id, sizeof t->id, "%s", id);
    t->rules = rules;
    t->release_rules = release;
    return t;
}

void transaction_settle(struct transaction *transaction)
{
    if (transaction->reservations)
        transaction->settle(transaction);
}

void transaction_free(struct transaction *t)
{
    if (!t)
        return;
    transaction_settle(t);
    for (size_t i = 0; i < t->envelope.recipient_count; i++)
        free(t->envelope.recipients[i]);
    free(t->envelope.recipients);
    free(t->envelope.sender);
    free(t->envelope.helo);
    free(t->envelope.user);
    free(t->replies);
    for (struct earlier *e = t->earlier, *next; e; e = next) {
        next = e->next;
        free(e);
    }
    spill_free(t->data);
    if (t->rules)
        t->release_rules(t->rules);
    if (t->check)
        t->release_check(t->check);
    free(t);
}

int transaction_set_sender(struct transaction *t, const char *sender)
{
    char *copy = strdup(sender);
    if (!copy)
        return -ENOMEM;
    free(t->envelope.sender);
    t->envelope.sender = copy;
    return 0;
}

int transaction_add_recipient(struct transaction *t, const char *address)
{
    struct envelope *e = &t->envelope;
    char **grown = realloc(e->recipients, (e->recipient_count + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    e->recipients = grown;
    char *copy = strdup(address);
    if (!copy)
        return -ENOMEM;
    e->recipients[e->recipient_count++] = copy;
    return 0;
}

void reply_set(struct reply *reply, int code, const char *enhanced, const char *format, ...)
{
    reply->code = code;
    snprintf(reply->enhanced, sizeof reply->enhanced, "%s", enhanced);
    va_list args;
    va_start(args, format);
    vsnprintf(reply->text, sizeof reply->text, format, args);
    va_end(args);
}

void reply_text(const struct reply *reply, char text[REPLY_TEXT_SIZE])
{
    char *at = decimal_put(text, reply->code);
    if (*reply->enhanced)
        at = stpcpy(stpcpy(at, " "), reply->enhanced);
    stpcpy(stpcpy(at, " "), reply->text);
}
