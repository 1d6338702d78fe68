#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../log.h"
#include "password.h"
#include "tls.h"

enum connection_state { CONNECTION_OPEN, CONNECTION_DRAINING, CONNECTION_CLOSED };

struct connection {
    struct connections *owner; /* NULL once it has left the list */
    struct connection *next, *previous;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_shutdown_t shutdown;
    unsigned open_handles;
    struct session *session;
    struct config *config; /* the session's */
    struct tls *tls;       /* NULL: in the clear */
    bool tls_started;      /* the session knows */
    bool starts_with_tls;  /* the session greets inside TLS */
    enum connection_state state;
    bool using_input;    /* inside session_input(): an answer need not set things going */
    bool verifying;      /* its password is with a thread: the answer will come */
    bool wrong_password; /* and the client is told once the timer says so */
    unsigned wrong_passwords;
    bool submitted;     /* its message is with submit(): the answer will come */
    bool end_of_input;  /* the client closed its side */
    bool shutdown_done; /* all replies are out, and our side is closed */
    bool aborted;       /* leaves the list without waiting for the answer */
    char *rest;         /* input that must wait; NULL: none. Reading is paused while there is */
    size_t rest_at, rest_size;
    uint64_t drain_ms;  /* for the last replies to go out */
    const char *reason; /* why it ends, for the log */
    struct ip_address address;
    bool counted; /* by the limits, from its opening until it leaves the list */
    char id[ID_SIZE];
};

struct pending_write {
    uv_write_t request;
    char bytes[];
};

/* Bytes from the socket go through use_input() to the session, and the session's through
 * send_to_client() to the socket. TLS stands between: see use_tls_input() and write_tls_output().
 */
static size_t use_input(struct connection *c, const char *bytes, size_t size);
static bool send_to_client(void *context, const char *bytes, size_t size);
static void start_tls(void *context);

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);
static void on_written(uv_write_t *request, int status);
static void on_timer(uv_timer_t *timer);
static void on_shutdown_done(uv_shutdown_t *request, int status);
static void on_handle_closed(uv_handle_t *handle);
static void on_answer(void *token, const struct reply *reply);

static void advance(struct connection *c);
static void drain(struct connection *c, const char *reason);
static void close_now(struct connection *c, const char *reason);
static void free_if_over(struct connection *c);

/* The session's hooks. */

static size_t write_queue(const struct connection *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

static int queue_write(struct connection *c, const char *bytes, size_t size)
{
    struct pending_write *pending = malloc(sizeof *pending + size);
    if (!pending)
        return UV_ENOMEM;
    memcpy(pending->bytes, bytes, size);
    uv_buf_t buffer = uv_buf_init(pending->bytes, (unsigned)size);
    pending->request.data = c;
    int code = uv_write(&pending->request, (uv_stream_t *)&c->tcp, &buffer, 1, on_written);
    if (code != 0)
        free(pending);
    return code;
}

/* Sends what can be sent at once, and queues the rest. */
static int write_out(struct connection *c, const char *bytes, size_t size)
{
    uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)size);
    int sent = write_queue(c) > 0 ? UV_EAGAIN : uv_try_write((uv_stream_t *)&c->tcp, &buffer, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    int code = sent < 0 ? sent : 0;
    if (code == 0 && (size_t)sent < size)
        code = queue_write(c, bytes + sent, size - (size_t)sent);
    return code;
}

static int write_tls_output(struct connection *c)
{
    const char *bytes;
    size_t size = tls_output(c->tls, &bytes);
    int code = size > 0 ? write_out(c, bytes, size) : 0;
    tls_output_sent(c->tls);
    return code;
}

static int write_content(struct connection *c, const char *bytes, size_t size)
{
    if (!c->tls)
        return write_out(c, bytes, size);
    if (!tls_is_open(c->tls)) /* such as the 421 of a time-out: nobody could read it */
        return 0;
    int code = tls_write(c->tls, bytes, size);
    return code == 0 ? write_tls_output(c) : code;
}

static bool send_to_client(void *context, const char *bytes, size_t size)
{
    struct connection *c = context;
    if (c->state != CONNECTION_OPEN)
        return false;
    int code = write_content(c, bytes, size);
    if (code != 0)
        close_now(c, uv_strerror(code));
    return code == 0 && write_queue(c) <= CONNECTION_WRITE_LIMIT;
}

static void close_session(void *context)
{
    drain(context, "end of session");
}

static bool has_room(void *context)
{
    struct connections *owner = ((struct connection *)context)->owner;
    return !owner->hooks.has_room || owner->hooks.has_room(owner->context);
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

static enum recipient_answer check_recipient(void *context, struct ruleset *rules,
                                             const char *recipient)
{
    struct connections *owner = ((struct connection *)context)->owner;
    return owner->hooks.check_recipient(owner->context, rules, recipient);
}

static void begin(void *context, struct transaction *transaction)
{
    struct connections *owner = ((struct connection *)context)->owner;
    if (owner->hooks.begin)
        owner->hooks.begin(owner->context, transaction);
}

static void submit(void *context, struct transaction *transaction)
{
    struct connection *c = context;
    c->submitted = true;
    c->owner->hooks.submit(c->owner->context, transaction, on_answer, c);
}

/* The way in. */

void connection_format_address(const struct sockaddr *address, char text[46])
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    text[0] = 0;
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, 46);
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, 46);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, text, 46);
}

static void enter_list(struct connection *c, struct connections *owner)
{
    c->owner = owner;
    c->next = owner->first;
    if (c->next)
        c->next->previous = c;
    owner->first = c;
    owner->count++;
}

static void on_verified(void *context, bool right)
{
    struct connection *c = context;
    c->verifying = false;
    if (c->state != CONNECTION_OPEN) {
        free_if_over(c);
    } else if (right) {
        session_verified(c->session, true);
        advance(c);
    } else {
        c->wrong_password = true;
        uv_timer_start(&c->timer, on_timer, (uint64_t)CONNECTION_AUTH_MS << c->wrong_passwords++,
                       0);
    }
}

static void verify(void *context, const char *user, const char *password)
{
    struct connection *c = context;
    int code = password_verify(c->owner->loop, c->config, user, password, on_verified, c);
    c->verifying = code == 0;
    if (code != 0)
        close_now(c, uv_strerror(code));
}

/* A reply that STARTTLS was taken is out already. */
static void start_tls(void *context)
{
    struct connection *c = context;
    c->tls = tls_new(c->config->tls.context);
    if (!c->tls)
        close_now(c, "out of memory");
}

static struct session *make_session(struct connection *c, const struct connections *connections,
                                    const char *ip, struct config *config)
{
    const struct session_hooks hooks = {
        .send = send_to_client,
        .close = close_session,
        .has_room = has_room,
        .take_message = take_message,
        .rules = take_rules,
        .release_rules = connections->hooks.release_rules,
        .check_recipient = check_recipient,
        .begin = begin,
        .start_tls = start_tls,
        .verify = verify,
        .submit = submit,
    };
    return session_new(config, &hooks, c, c->id, ip, connections->temporary_directory);
}

static struct connection *make_connection(struct connections *connections, const char *ip,
                                          struct config *config)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    id_new(c->id);
    c->session = make_session(c, connections, ip, config);
    if (!c->session) {
        free(c);
        return NULL;
    }
    c->config = config;
    c->drain_ms = CONNECTION_DRAIN_MS;
    if (config->smtp.command_timeout_ms < CONNECTION_DRAIN_MS)
        c->drain_ms = (uint64_t)config->smtp.command_timeout_ms;
    c->tcp.data = c->timer.data = c->shutdown.data = c;
    uv_tcp_init(connections->loop, &c->tcp);
    uv_timer_init(connections->loop, &c->timer);
    c->open_handles = 2;
    enter_list(c, connections);
    return c;
}

/* A reload may have taken the certificates away from a listener that was opened with some. */
static int take_listener(struct connection *c, const struct listen_address *listener,
                         const struct config *config)
{
    session_set_listener(c->session, listener);
    if (listener->tls != LISTEN_TLS_IMPLICIT)
        return 0;
    c->starts_with_tls = true;
    c->tls = config->tls.context ? tls_new(config->tls.context) : NULL;
    return c->tls ? 0 : -ENOMEM;
}

int connection_open(struct connections *connections, int fd, const struct sockaddr *peer,
                    const struct listen_address *listener, struct config *config,
                    const struct refusal **refusal)
{
    char ip[46];
    struct ip_address address;
    bool counted = false;
    if (!ip_address_from(peer, &address))
        return -EAFNOSUPPORT;
    int64_t now_ms = (int64_t)uv_now(connections->loop);
    *refusal = access_enter(&config->access, connections->limits, &address, now_ms, &counted);
    if (*refusal)
        return -EACCES;
    connection_format_address(peer, ip);
    struct connection *c = make_connection(connections, ip, config);
    if (!c) {
        if (counted)
            limits_leave(connections->limits, &address, now_ms);
        return -ENOMEM;
    }
    c->address = address;
    c->counted = counted;
    log_info("connect", c->id, LOG_TEXT("client", ip));
    int code = take_listener(c, listener, config);
    if (code == 0)
        code = uv_tcp_open(&c->tcp, fd);
    if (code != 0) {
        close_now(c, uv_strerror(code));
        return code;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    if (!c->starts_with_tls)
        session_start(c->session);
    advance(c);
    return 0;
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct connection *c = handle->data;
    *buffer = uv_buf_init(c->owner->input, CONNECTION_READ_SIZE);
}

static size_t use_input(struct connection *c, const char *bytes, size_t size)
{
    c->using_input = true;
    size_t used = session_input(c->session, bytes, size);
    c->using_input = false;
    return used;
}

static bool can_use_input(const struct connection *c)
{
    return c->state == CONNECTION_OPEN && !session_is_waiting(c->session) &&
           write_queue(c) <= CONNECTION_WRITE_LIMIT;
}

static void use_rest(struct connection *c)
{
    c->rest_at += use_input(c, c->rest + c->rest_at, c->rest_size - c->rest_at);
    if (c->rest_at < c->rest_size && c->state == CONNECTION_OPEN)
        return;
    free(c->rest);
    c->rest = NULL;
}

static void keep_rest(struct connection *c, const char *bytes, size_t size)
{
    c->rest = malloc(size);
    if (!c->rest) {
        close_now(c, "out of memory");
        return;
    }
    memcpy(c->rest, bytes, size);
    c->rest_at = 0;
    c->rest_size = size;
}

static void receive_content(struct connection *c, const char *bytes, size_t size)
{
    size_t used = use_input(c, bytes, size);
    if (used < size && c->state == CONNECTION_OPEN)
        keep_rest(c, bytes + used, size - used);
}

static void note_tls_started(struct connection *c)
{
    if (c->tls_started || !tls_is_open(c->tls))
        return;
    c->tls_started = true;
    log_info("tls", c->id, LOG_TEXT("version", tls_version(c->tls)),
             LOG_TEXT("cipher", tls_cipher(c->tls)), LOG_TEXT("name", tls_server_name(c->tls)),
             LOG_TEXT("resumed", tls_is_resumed(c->tls) ? "yes" : "no"));
    session_tls_started(c->session);
    if (c->starts_with_tls)
        session_start(c->session);
}

/* One piece of content. False: more must come first, or it is over. */
static bool use_tls_input(struct connection *c)
{
    char *content = c->owner->input; /* what was read into it is inside c->tls by now */
    ssize_t size = tls_take(c->tls, content, CONNECTION_READ_SIZE);
    int code = write_tls_output(c);
    if (code != 0) {
        close_now(c, uv_strerror(code));
        return false;
    }
    note_tls_started(c);
    if (size > 0 && c->state == CONNECTION_OPEN)
        receive_content(c, content, (size_t)size);
    else if (size == -EPIPE)
        drain(c, "closed by the client");
    else if (size < 0) {
        log_info("tls-failed", c->id, LOG_TEXT("reason", tls_failure(c->tls)));
        drain(c, "TLS failed");
    }
    return size > 0 && c->state == CONNECTION_OPEN;
}

/* Uses the input that waits as far as it may, then reads on or pauses. Called after whatever may
 * have changed that. */
static void advance(struct connection *c)
{
    bool more = true;
    while (more && can_use_input(c)) {
        if (c->rest)
            use_rest(c);
        else
            more = c->tls && use_tls_input(c);
    }
    if (c->state != CONNECTION_OPEN)
        return;
    if (!can_use_input(c))
        uv_read_stop((uv_stream_t *)&c->tcp);
    else if (c->end_of_input)
        drain(c, "closed by the client");
    else
        uv_read_start((uv_stream_t *)&c->tcp, give_buffer, on_read);
    if (c->state != CONNECTION_OPEN)
        return;
    if (c->wrong_password) /* the timer is in use */
        return;
    int64_t timeout = session_timeout_ms(c->session);
    if (timeout > 0)
        uv_timer_start(&c->timer, on_timer, (uint64_t)timeout, 0);
    else
        uv_timer_stop(&c->timer);
}

static void receive(struct connection *c, const char *bytes, size_t size)
{
    if (!c->tls)
        receive_content(c, bytes, size);
    else if (tls_put(c->tls, bytes, size) != 0)
        close_now(c, "out of memory");
    advance(c);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *c = stream->data;
    if (size > 0 && c->state == CONNECTION_OPEN)
        receive(c, buffer->base, (size_t)size);
    if (size >= 0)
        return;
    c->end_of_input = true;
    if (size != UV_EOF)
        close_now(c, uv_strerror((int)size));
    else if (c->shutdown_done)
        close_now(c, c->reason);
    else
        advance(c);
}

static void on_written(uv_write_t *request, int status)
{
    struct connection *c = request->data;
    free(request);
    if (status != 0)
        close_now(c, uv_strerror(status));
    else
        advance(c);
}

static void on_answer(void *token, const struct reply *reply)
{
    struct connection *c = token;
    c->submitted = false;
    if (c->state == CONNECTION_OPEN) {
        session_answer(c->session, reply);
        if (!c->using_input)
            advance(c);
        return;
    }
    log_info("answer-unheard", c->id, LOG_NUMBER("code", reply->code));
    free_if_over(c);
}

/* The way out. */

static void on_timer(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    if (c->state == CONNECTION_OPEN && c->wrong_password) {
        c->wrong_password = false;
        session_verified(c->session, false);
        advance(c);
    } else if (c->state == CONNECTION_OPEN)
        session_timed_out(c->session);
    else
        close_now(c, c->reason);
}

static void drain(struct connection *c, const char *reason)
{
    if (c->state != CONNECTION_OPEN)
        return;
    c->state = CONNECTION_DRAINING;
    c->reason = reason;
    int code = 0;
    if (c->tls) {
        tls_close(c->tls);
        code = write_tls_output(c);
    }
    if (code == 0)
        code = uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown_done);
    if (code != 0) {
        close_now(c, uv_strerror(code));
        return;
    }
    if (!c->end_of_input)
        uv_read_start((uv_stream_t *)&c->tcp, give_buffer, on_read);
    uv_timer_start(&c->timer, on_timer, c->drain_ms, 0);
}

static void on_shutdown_done(uv_shutdown_t *request, int status)
{
    struct connection *c = request->data;
    if (c->state == CONNECTION_CLOSED)
        return;
    c->shutdown_done = true;
    if (status != 0 || c->end_of_input)
        close_now(c, status != 0 ? uv_strerror(status) : c->reason);
    else
        uv_timer_start(&c->timer, on_timer, CONNECTION_LINGER_MS, 0);
}

static void leave_list(struct connection *c)
{
    struct connections *owner = c->owner;
    if (!owner)
        return;
    c->owner = NULL;
    if (c->previous)
        c->previous->next = c->next;
    else
        owner->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    owner->count--;
    if (c->counted)
        limits_leave(owner->limits, &c->address, (int64_t)uv_now(owner->loop));
    owner->left(owner);
}

static void free_if_over(struct connection *c)
{
    if (c->open_handles > 0)
        return;
    bool awaited = c->submitted || c->verifying;
    if (!awaited || c->aborted)
        leave_list(c);
    if (awaited)
        return;
    tls_free(c->tls); /* before the session's config, whose certificates it uses */
    session_free(c->session);
    free(c->rest);
    free(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    c->open_handles--;
    free_if_over(c);
}

static void close_now(struct connection *c, const char *reason)
{
    if (c->state == CONNECTION_CLOSED)
        return;
    log_info("disconnect", c->id, LOG_TEXT("reason", reason));
    c->state = CONNECTION_CLOSED;
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

void connections_shut_down(struct connections *connections)
{
    for (struct connection *c = connections->first; c; c = c->next)
        if (c->state == CONNECTION_OPEN)
            session_shut_down(c->session);
}

void connections_abort(struct connections *connections)
{
    struct connection *next;
    for (struct connection *c = connections->first; c; c = next) {
        next = c->next;
        c->aborted = true;
        close_now(c, "aborted");
        free_if_over(c);
    }
}
