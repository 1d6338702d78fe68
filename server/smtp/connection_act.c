/* connection_act.c - what a connection does, by what it waits for. */
#include "../base/log.h"
#include "../base/metrics.h"
#include "connection_private.h"

static const struct refusal early_talker = {554, "5.5.1", "you talked before the greeting"};

static void on_timer(uv_timer_t *timer);

/* Input is used in these. */
static bool wants_input(const struct connection *c)
{
    return c->wait <= WAIT_STARTTLS;
}

/* ---- Input ---- */

/* Returns how many bytes belong to the header. */
static size_t take_proxy_header(struct connection *c, const char *bytes, size_t size)
{
    size_t used;
    struct proxy_client client;
    const char *reason;
    switch (proxy_take(c->proxy, bytes, size, &used, &client, &reason)) {
    case PROXY_MORE: break;
    case PROXY_DONE: connection_know_client(c, &client); break;
    case PROXY_BAD:
        log_limited(LOG_WARN, "proxy-refused", c->id,
                    LOG_TEXT("client", session_client(c->session)), LOG_TEXT("reason", reason));
        connection_close(c, "no PROXY header");
        break;
    }
    return used;
}

static size_t refuse_early_talker(struct connection *c, size_t size)
{
    log_limited(LOG_WARN, "early-talker", c->id, LOG_TEXT("client", session_client(c->session)),
                LOG_NUMBER("size", (int64_t)size));
    connection_turn_away(c, &early_talker);
    return size;
}

/* What the client does now: a command, or a message. */
static void begin_request(struct connection *c)
{
    c->progress = session_progress(c->session);
    c->began_ms = uv_now(c->timer.loop);
    c->octets = 0;
}

static size_t talk(struct connection *c, const char *bytes, size_t size)
{
    size_t used = session_input(c->session, bytes, size);
    c->octets += used;
    if (c->progress != session_progress(c->session))
        begin_request(c);
    return used;
}

static size_t use(struct connection *c, const char *bytes, size_t size)
{
    switch (c->wait) {
    case WAIT_PROXY: return take_proxy_header(c, bytes, size);
    case WAIT_GREETING: return refuse_early_talker(c, size);
    default: return talk(c, bytes, size);
    }
}

/* STARTTLS is answered, and what came with it in the clear was thrown away. A header of a proxy, or
 * a listener with implicit TLS, leads here too. */
static void start_tls(struct connection *c)
{
    if (stream_tls(&c->stream))
        return;
    const struct tls_context *context = c->config->tls.context;
    if (!context || stream_start_tls(&c->stream, context, c->min_version) != 0)
        connection_close(c, "out of memory");
}

static void note_tls_is_open(struct connection *c)
{
    const struct tls *tls = stream_tls(&c->stream);
    if (!tls || !tls_is_open(tls))
        return;
    bool greets = c->wait == WAIT_HANDSHAKE;
    log_limited(LOG_INFO, "tls", c->id, LOG_TEXT("version", tls_version(tls)),
                LOG_TEXT("cipher", tls_cipher(tls)), LOG_TEXT("name", tls_server_name(tls)),
                LOG_TEXT("resumed", tls_is_resumed(tls) ? "yes" : "no"));
    metric_add(METRIC_TLS_HANDSHAKES_TOTAL, 1, tls_is_resumed(tls) ? "resumed" : "done");
    c->wait = WAIT_CLIENT;
    session_tls_started(c->session);
    if (greets)
        connection_greet(c);
}

static bool is_in_handshake(const struct connection *c)
{
    return c->wait == WAIT_HANDSHAKE || c->wait == WAIT_STARTTLS;
}

static void wait_for_reader(struct connection *c)
{
    bool full = stream_queued(&c->stream) > CONNECTION_WRITE_LIMIT;
    if (c->wait == WAIT_CLIENT && full)
        c->wait = WAIT_READER;
    else if (c->wait == WAIT_READER && !full)
        c->wait = WAIT_CLIENT;
}

static void use_input(struct connection *c)
{
    for (wait_for_reader(c); wants_input(c); wait_for_reader(c)) {
        const char *bytes;
        if (is_in_handshake(c))
            start_tls(c);
        size_t size = wants_input(c) ? stream_content(&c->stream, &bytes) : 0;
        if (is_in_handshake(c))
            note_tls_is_open(c);
        if (size == 0)
            return;
        stream_use(&c->stream, use(c, bytes, size));
    }
}

/* ---- The stream's end ---- */

static void heed_end_of_stream(struct connection *c)
{
    enum stream_state state = stream_state(&c->stream);
    if (state == STREAM_BROKEN) {
        connection_close(c, c->wait < WAIT_END ? stream_reason(&c->stream) : c->reason);
    } else if (state == STREAM_TLS_FAILED && c->wait < WAIT_END) {
        if (is_in_handshake(c))
            metric_add(METRIC_TLS_HANDSHAKES_TOTAL, 1, "failed");
        log_limited(LOG_INFO, "tls-failed", c->id, LOG_TEXT("client", session_client(c->session)),
                    LOG_TEXT("reason", stream_reason(&c->stream)));
        connection_end(c, "TLS failed");
    } else if (state == STREAM_ENDED && wants_input(c)) {
        connection_end(c, "closed by the client");
    }
}

static void go_on_to_close(struct connection *c)
{
    if (c->wait == WAIT_END) {
        c->wait = WAIT_DRAIN;
        if (!stream_end(&c->stream))
            connection_close(c, c->reason);
    }
    if (c->wait == WAIT_DRAIN && stream_is_finished(&c->stream))
        c->wait = WAIT_LINGER;
    if (c->wait == WAIT_LINGER && stream_is_at_end(&c->stream) && !connection_awaits_receipt(c))
        connection_close(c, c->reason);
}

/* ---- Time ---- */

/* Postfix's stress mode: places are short, so nobody keeps one without using it. */
static bool is_stressed(const struct connection *c)
{
    return c->owner->count * 4 >= c->config->smtp.max_connections * 3;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When, of the loop's clock, a command must be complete, however its bytes trickle in, or a message
 * must have got further. */
static uint64_t request_due(const struct connection *c, uint64_t patience_ms)
{
    uint64_t rate = c->config->smtp.min_rate;
    if (!session_is_in_message(c->session))
        return c->began_ms + patience_ms;
    if (rate == 0)
        return UINT64_MAX;
    uint64_t grace_ms = is_stressed(c) ? patience_ms : CONNECTION_GRACE_MS;
    return c->began_ms + grace_ms + c->octets * 1000 / rate;
}

/* What is left of all time-outs of a client that may talk. */
static uint64_t client_ms(const struct connection *c)
{
    uint64_t now = uv_now(c->timer.loop), wait_ms = (uint64_t)session_timeout_ms(c->session);
    if (is_stressed(c))
        wait_ms = least(wait_ms, (uint64_t)c->config->smtp.stress_timeout_ms);
    uint64_t due = least(c->message_due, request_due(c, wait_ms));
    return least(wait_ms, due > now ? due - now : 0);
}

/* False: as long as it takes. */
static bool time_limit(const struct connection *c, uint64_t *ms)
{
    const struct access_config *access = &c->config->access;
    switch (c->wait) {
    case WAIT_PROXY: *ms = (uint64_t)access->proxy_timeout_ms; return true;
    case WAIT_GREETING: *ms = (uint64_t)access->greeting_pause_ms; return true;
    case WAIT_HANDSHAKE:
    case WAIT_CLIENT:
    case WAIT_STARTTLS:
    case WAIT_READER: *ms = client_ms(c); return true;
    case WAIT_PENALTY:
        *ms = c->login == LOGIN_REFUSED ? 0 : (uint64_t)CONNECTION_AUTH_MS << c->wrong_passwords;
        if (*ms < (uint64_t)c->login_delay_ms)
            *ms = (uint64_t)c->login_delay_ms;
        return true;
    case WAIT_DELAY: *ms = CONNECTION_DELAY_MS; return true;
    case WAIT_DRAIN: *ms = c->drain_ms; return true;
    case WAIT_LINGER: *ms = CONNECTION_LINGER_MS; return true;
    default: return false;
    }
}

/* The timer runs to a moment that is no later than `due`, and then looks: a client that talks moves `due` on with each
 * of its bytes, and the timer need not be taken out of the loop's heap and put back for each. */
static void run_timer(struct connection *c)
{
    uint64_t now = uv_now(c->timer.loop), ms = c->due > now ? c->due - now : 0;
    if (c->due == UINT64_MAX)
        return;
    if (!uv_is_active((uv_handle_t *)&c->timer) || uv_timer_get_due_in(&c->timer) > ms)
        uv_timer_start(&c->timer, on_timer, ms, 0);
}

/* The time starts anew with what is waited for, and with each sign of life of a client that may talk. */
static void set_timer(struct connection *c)
{
    if (c->wait != c->timed && (c->wait == WAIT_CLIENT || is_in_handshake(c)))
        begin_request(c); /* what it waited for was ours */
    bool starts_anew =
        c->wait >= WAIT_HANDSHAKE && c->wait <= WAIT_READER && c->wait != WAIT_GREETING;
    uint64_t ms;
    if (c->timed == c->wait && !starts_anew)
        return;
    c->timed = c->wait;
    c->due = time_limit(c, &ms) ? uv_now(c->timer.loop) + ms : UINT64_MAX;
    run_timer(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    if (c->due > uv_now(timer->loop)) { /* it has moved on */
        run_timer(c);
        return;
    }
    c->timed = WAIT_CLOSED; /* it is over: what is waited for next may be the same again */
    switch (c->wait) {
    case WAIT_PROXY:
        log_limited(LOG_WARN, "proxy-refused", c->id,
                    LOG_TEXT("client", session_client(c->session)),
                    LOG_TEXT("reason", "not complete in time"));
        connection_close(c, "no PROXY header");
        break;
    case WAIT_GREETING:
        c->wait = WAIT_CLIENT;
        session_start(c->session);
        break;
    case WAIT_PENALTY:
        c->wrong_passwords++;
        c->wait = WAIT_CLIENT;
        session_verified(c->session, c->login);
        break;
    case WAIT_DELAY:
        c->wait = WAIT_CLIENT;
        session_go_on(c->session);
        break;
    case WAIT_DRAIN:
    case WAIT_LINGER: connection_close(c, c->reason); break;
    default: session_timed_out(c->session); break;
    }
    connection_act(c);
}

/* ---- All of it ---- */

void connection_act(struct connection *c)
{
    if (c->acting || c->wait == WAIT_CLOSED)
        return;
    c->acting = true;
    connection_confirm(c);
    use_input(c);
    if (wants_input(c))
        stream_read(&c->stream);
    else if (c->wait < WAIT_END)
        stream_pause(&c->stream);
    heed_end_of_stream(c);
    go_on_to_close(c);
    c->acting = false;
    if (c->wait != WAIT_CLOSED)
        set_timer(c);
}

static void act(void *context)
{
    connection_act(context);
}

const struct stream_upcalls connection_upcalls = {.input = act, .drained = act, .closed = act};
