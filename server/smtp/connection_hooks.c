/* connection_hooks.c - what the session asks of the world around it (struct session_hooks). */
#include "../base/log.h"
#include "connection_private.h"
#include "password.h"

static bool send_to_client(void *context, const char *bytes, size_t size)
{
    struct connection *c = context;
    return c->wait < WAIT_END && stream_write(&c->stream, bytes, size) &&
           stream_queued(&c->stream) <= CONNECTION_WRITE_LIMIT;
}

static void close_session(void *context)
{
    connection_end(context, "end of session");
}

/* One network has a share only: a quarter. */
static bool has_share(const struct connection *c)
{
    size_t share = c->config->smtp.max_waiting / 4;
    return !c->counted || limits_waiting(c->owner->limits, &c->address) < (share ? share : 1);
}

static bool has_room(void *context)
{
    struct connection *c = context;
    struct connections *owner = c->owner;
    return has_share(c) && (!owner->hooks.has_room || owner->hooks.has_room(owner->context));
}

static bool has_storage(void *context)
{
    struct connections *owner = ((struct connection *)context)->owner;
    return !owner->hooks.has_storage || owner->hooks.has_storage(owner->context);
}

static bool take_message(void *context)
{
    struct connection *c = context;
    if (!c->counted)
        return true;
    struct connections *owner = c->owner;
    struct config *config = owner->hooks.config(owner->context);
    bool taken = limits_take_message(owner->limits, &config->access, &c->address,
                                     (int64_t)uv_now(owner->loop));
    config_unref(config);
    return taken;
}

static struct ruleset *take_rules(void *context)
{
    struct connections *owner = ((struct connection *)context)->owner;
    return owner->hooks.rules(owner->context);
}

static void on_checked(void *token, enum recipient_answer answer)
{
    struct connection *c = token;
    c->awaited--;
    if (c->wait != WAIT_CHECK) {
        connection_free_if_over(c);
        return;
    }
    c->wait = WAIT_CLIENT;
    session_recipient_checked(c->session, answer);
    connection_act(c);
}

static enum recipient_answer check_recipient(void *context, struct ruleset *rules,
                                             const char *recipient)
{
    struct connection *c = context;
    const struct listener_hooks *hooks = &c->owner->hooks;
    enum recipient_answer answer =
        hooks->check_recipient(c->owner->context, rules, recipient, on_checked, c);
    if (answer == RECIPIENT_WAIT) {
        c->wait = WAIT_CHECK;
        c->awaited++;
    }
    return answer;
}

static void begin(void *context, struct transaction *transaction)
{
    struct connections *owner = ((struct connection *)context)->owner;
    if (owner->hooks.begin)
        owner->hooks.begin(owner->context, transaction);
}

static void refused(void *context, const struct session_refused *what)
{
    struct connections *owner = ((struct connection *)context)->owner;
    if (owner && owner->hooks.refused)
        owner->hooks.refused(owner->context, what);
}

static const struct refusal *enter(void *context, const char *client_ip)
{
    struct ip_address address;
    bool known = ip_address_parse(client_ip, &address) == 0;
    return connection_enter(context, known ? &address : NULL);
}

static void on_answer(void *token, const struct reply *replies, size_t count, uint64_t digest)
{
    struct connection *c = token;
    c->awaited--;
    connection_note_answer(c, replies, count, digest);
    if (c->counted && c->owner)
        limits_end_waiting(c->owner->limits, &c->address);
    if (c->wait == WAIT_ANSWER) {
        c->wait = WAIT_CLIENT;
        connection_await_message(c);
        session_answer(c->session, replies, count);
        connection_act(c);
        return;
    }
    log_limited(LOG_INFO, "answer-unheard", c->id, LOG_NUMBER("code", replies->code));
    connection_lose(c);
    connection_free_if_over(c);
}

static void submit(void *context, struct transaction *transaction)
{
    struct connection *c = context;
    c->wait = WAIT_ANSWER;
    c->awaited++;
    if (c->counted)
        limits_begin_waiting(c->owner->limits, &c->address);
    connection_look_for_resend(c, transaction);
    c->owner->hooks.submit(c->owner->context, transaction, on_answer, c);
}

static void on_verified(void *context, bool right)
{
    struct connection *c = context;
    c->awaited--;
    if (right && c->counted && c->owner &&
        guesses_right(c->owner->guesses, session_claimed(c->session), &c->address,
                      (int64_t)uv_now(c->owner->loop)))
        known_logins_changed(c->owner->known_logins);
    if (c->wait != WAIT_PASSWORD) {
        connection_free_if_over(c);
        return;
    }
    c->login = LOGIN_WRONG;
    c->wait = right ? WAIT_CLIENT : WAIT_PENALTY;
    if (right)
        session_verified(c->session, LOGIN_RIGHT);
    connection_act(c);
}

static void verify(void *context, const char *user, const char *password)
{
    struct connection *c = context;
    c->login_delay_ms = 0;
    if (c->counted && !guesses_begin(c->owner->guesses, user, &c->address,
                                     (int64_t)uv_now(c->owner->loop), &c->login_delay_ms)) {
        c->login = LOGIN_REFUSED;
        c->wait = WAIT_PENALTY;
        return;
    }
    int code = password_verify(c->owner->loop, c->config, user, password, on_verified, c);
    if (code != 0) {
        connection_close(c, uv_strerror(code));
        return;
    }
    c->wait = WAIT_PASSWORD;
    c->awaited++;
}

static void delay(void *context)
{
    ((struct connection *)context)->wait = WAIT_DELAY;
}

static void start_tls(void *context)
{
    ((struct connection *)context)->wait = WAIT_STARTTLS;
}

struct session *connection_make_session(struct connection *c, const struct connections *connections,
                                        const char *ip)
{
    const struct session_hooks hooks = {
        .send = send_to_client,
        .close = close_session,
        .has_room = has_room,
        .has_storage = has_storage,
        .take_message = take_message,
        .rules = take_rules,
        .release_rules = connections->hooks.release_rules,
        .check_recipient = check_recipient,
        .begin = begin,
        .refused = refused,
        .enter = enter,
        .start_tls = start_tls,
        .verify = verify,
        .delay = delay,
        .submit = submit,
    };
    return session_new(c->config, &hooks, c, c->id, ip, connections->temporary_directory);
}
