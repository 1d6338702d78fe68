#include "fixture.h"
#include "waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "smtp/access.h"
#include "base/spill.h"

#include "../test.h"

/* What a ruleset is, only the rules know; here it counts who holds it. */
struct ruleset {
    struct peer *peer;
};

static void copy_file(const char *from, FILE *to)
{
    char buffer[4096];
    FILE *file = fopen(from, "re");
    assert_non_null(file);
    size_t size;
    while ((size = fread(buffer, 1, sizeof buffer, file)) > 0)
        assert_int_equal(fwrite(buffer, 1, size, to), size);
    fclose(file);
}

struct config *fixture_config(const char *more)
{
    struct config *config = NULL;
    struct error err = {""};
    char path[] = "/tmp/mxhook-smtp-XXXXXX";
    log_set_level(LOG_ERROR + 1); /* what clients do wrong on purpose is no news */
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    copy_file(DIALOGUES "/mxhook.lua", file);
    fprintf(file, "\n%s\n", more);
    assert_int_equal(fclose(file), 0);
    if (config_load(path, &config, &err) != 0)
        fail_msg("%s", err.text);
    unlink(path);
    return config;
}

static bool on_send(void *context, const char *bytes, size_t size)
{
    struct peer *peer = context;
    assert_false(peer->closed);
    assert_true(size > 0);
    peer->replies = realloc(peer->replies, peer->replies_size + size + 1);
    memcpy(peer->replies + peer->replies_size, bytes, size);
    peer->replies_size += size;
    peer->replies[peer->replies_size] = 0;
    peer->sends++;
    return !peer->slow;
}

static void on_close(void *context)
{
    struct peer *peer = context;
    assert_false(peer->closed);
    peer->closed = true;
}

static struct ruleset *on_rules(void *context)
{
    struct peer *peer = context;
    struct ruleset *rules = peer->no_rules ? NULL : malloc(sizeof *rules);
    if (rules) {
        rules->peer = peer;
        peer->rules_held++;
    }
    return rules;
}

static void on_release(struct ruleset *rules)
{
    rules->peer->rules_held--;
    free(rules);
}

static enum recipient_answer on_check(void *context, struct ruleset *rules, const char *recipient)
{
    assert_ptr_equal(rules->peer, context);
    return strncmp(recipient, "unknown@", 8) == 0 ? RECIPIENT_UNKNOWN : RECIPIENT_OK;
}

static void on_submit(void *context, struct transaction *transaction)
{
    struct peer *peer = context;
    assert_true(peer->submitted_count < MAX_SUBMITTED);
    peer->submitted[peer->submitted_count++] = transaction;
    if (peer->answers_inside)
        peer_answer(peer, 250, "2.0.0", "OK");
}

/* Who comes from 203.0.113.0/24 is not let in. */
static const struct refusal *on_enter(void *context, const char *client_ip)
{
    static const struct refusal denied = {554, "5.7.1", "takes no mail from your address"};
    struct peer *peer = context;
    snprintf(peer->entered, sizeof peer->entered, "%s", client_ip);
    return strncmp(client_ip, "203.0.113.", 10) == 0 ? &denied : NULL;
}

static void on_refused(void *context, const struct session_refused *refused)
{
    struct peer *peer = context;
    const struct envelope *envelope = refused->envelope;
    char line[1024], recipients[512];
    snprintf(recipients, sizeof recipients, "%s", refused->recipient ? refused->recipient : "-");
    for (size_t i = 0; envelope && i < envelope->recipient_count; i++)
        snprintf(recipients + (i ? strlen(recipients) : 0), 256, "%s%s", i ? "," : "",
                 envelope->recipients[i]);
    snprintf(line, sizeof line, "%s %s %s %d %.9s\n", refused->id, refused->sender, recipients,
             refused->reply->code, refused->reply->text);
    assert_string_equal(refused->client_ip, "192.0.2.1");
    assert_true(strlen(peer->refused) + strlen(line) < sizeof peer->refused);
    strcat(peer->refused, line);
}

static void on_verify(void *context, const char *user, const char *password)
{
    struct peer *peer = context;
    assert_string_equal(session_claimed(peer->session), user);
    snprintf(peer->verified, sizeof peer->verified, "%s|%s", user, password);
}

void peer_start(struct peer *peer, struct config *config, const char *temporary_directory)
{
    peer_start_on(peer, config, temporary_directory, NULL, false);
}

void peer_start_on(struct peer *peer, struct config *config, const char *temporary_directory,
                   const struct listen_address *listener, bool trusted)
{
    static const struct session_hooks hooks = {.send = on_send,
                                               .close = on_close,
                                               .rules = on_rules,
                                               .release_rules = on_release,
                                               .check_recipient = on_check,
                                               .enter = on_enter,
                                               .refused = on_refused,
                                               .verify = on_verify,
                                               .submit = on_submit};
    memset(peer, 0, sizeof *peer);
    peer->session =
        session_new(config, &hooks, peer, "connection", "192.0.2.1", temporary_directory);
    if (!peer->session)
        return;
    if (listener)
        session_set_listener(peer->session, listener);
    if (trusted)
        session_trust(peer->session);
    session_start(peer->session);
}

void peer_end(struct peer *peer)
{
    session_free(peer->session);
    for (size_t i = 0; i < peer->submitted_count; i++)
        transaction_free(peer->submitted[i]);
    assert_int_equal(peer->rules_held, 0);
    free(peer->replies);
}

static void set_answer(struct reply *reply, const char *recipient)
{
    if (strncmp(recipient, "rejected@", 9) == 0)
        reply_set(reply, 550, "5.7.1", "Not for me");
    else if (strncmp(recipient, "deferred@", 9) == 0)
        reply_set(reply, 451, "4.3.0", "Later");
    else if (strncmp(recipient, "nobody@", 7) == 0)
        reply_set(reply, 550, "5.1.1", "No destination for this recipient");
    else
        reply_set(reply, 250, "2.0.0", "OK");
}

static void answer_each(struct peer *peer)
{
    const struct envelope *envelope = &peer->submitted[peer->submitted_count - 1]->envelope;
    struct reply *replies = calloc(envelope->recipient_count, sizeof *replies);
    assert_non_null(replies);
    for (size_t i = 0; i < envelope->recipient_count; i++)
        set_answer(&replies[i], envelope->recipients[i]);
    session_answer(peer->session, replies, envelope->recipient_count);
    free(replies);
}

static void answer_if_asked(struct peer *peer)
{
    if (!peer->answers || !session_is_waiting(peer->session))
        return;
    if (peer->submitted[peer->submitted_count - 1]->envelope.lmtp)
        answer_each(peer);
    else
        peer_answer(peer, 250, "2.0.0", "OK");
}

size_t peer_play(struct peer *peer, const char *bytes, size_t size, size_t step)
{
    size_t at = 0;
    while (at < size) {
        size_t piece = size - at < step ? size - at : step;
        /* In memory of exactly this size, so that a sanitizer sees a read past its end. */
        char *copy = malloc(piece);
        assert_non_null(copy);
        memcpy(copy, bytes + at, piece);
        size_t used = session_input(peer->session, copy, piece);
        free(copy);
        assert_true(used <= piece);
        at += used;
        bool waits = session_is_waiting(peer->session) && !peer->answers;
        answer_if_asked(peer);
        if (waits || (used < piece && peer->slow))
            break;
    }
    return at;
}

size_t peer_say(struct peer *peer, const char *text)
{
    return peer_play(peer, text, strlen(text), strlen(text));
}

void peer_answer(struct peer *peer, int code, const char *enhanced, const char *text)
{
    struct reply reply;
    reply_set(&reply, code, enhanced, "%s", text);
    session_answer(peer->session, &reply, 1);
}

void peer_expect(struct peer *peer, const char *replies)
{
    assert_string_equal(peer->replies ? peer->replies : "", replies);
    free(peer->replies);
    peer->replies = NULL;
    peer->replies_size = 0;
}

void peer_exchange(struct peer *peer, const char *text, const char *replies)
{
    assert_int_equal(peer_say(peer, text), strlen(text));
    peer_expect(peer, replies);
}

char *fixture_data(const struct transaction *transaction)
{
    size_t size = (size_t)spill_size(transaction->data);
    char *text = malloc(size + 1);
    assert_non_null(text);
    size_t at = 0;
    while (at < size) {
        ssize_t n = spill_read(transaction->data, at, text + at, size - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    text[size] = 0;
    return text;
}
