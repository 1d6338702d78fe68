/* A session of the load generator: connects, speaks SMTP message after message, and connects anew. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "load.h"

#define PAUSE 0.1 /* seconds before a session that was refused connects again */

/* What a session waits for: a connection, a handshake, or the reply to this. */
enum waits_for {
    NOTHING,
    CONNECTION,
    HANDSHAKE,
    GREETING,
    EHLO,
    STARTTLS,
    MAIL,
    RCPT,
    DATA,
    END_OF_DATA,
    QUIT,
};

struct session {
    struct load *load;
    enum waits_for waits_for;
    int fd;
    SSL *ssl;
    bool secured, done;
    double due; /* when to connect, while it waits for NOTHING */
    long number;
    int sent; /* messages of this connection */
    double began;
    unsigned events;
    char in[2048], out[1024];
    size_t in_size, out_size, out_at;
    const struct load_mail *body; /* goes out after `out` */
    size_t body_at;
};

struct session *sessions_new(struct load *load)
{
    struct session *sessions = calloc((size_t)load->sessions, sizeof *sessions);
    for (int i = 0; sessions && i < load->sessions; i++)
        sessions[i] = (struct session){.load = load, .fd = -1, .number = -1};
    return sessions;
}

static void hang_up(struct session *session, double pause)
{
    SSL_free(session->ssl);
    close(session->fd);
    session->ssl = NULL;
    session->fd = -1;
    session->waits_for = NOTHING;
    session->due = load_now() + pause;
}

void sessions_free(struct session *sessions, struct load *load)
{
    for (int i = 0; sessions && i < load->sessions; i++)
        if (sessions[i].fd >= 0)
            hang_up(&sessions[i], 0);
    free(sessions);
}

/* The message under way, if any, was not taken. */
static void give_back(struct session *session, bool permanent)
{
    if (session->number >= 0)
        load_fail(session->load, session->number, permanent);
    session->number = -1;
}

static void broken(struct session *session, const char *why)
{
    if (session->waits_for != QUIT)
        snprintf(session->load->last_error, sizeof session->load->last_error, "%s", why);
    give_back(session, false);
    hang_up(session, PAUSE);
}

static void want(struct session *session, unsigned events)
{
    if (session->events == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = session};
    epoll_ctl(session->load->epoll, EPOLL_CTL_MOD, session->fd, &event);
    session->events = events;
}

/* Makes of a result of OpenSSL what read(2) and write(2) give. */
static ssize_t ssl_result(SSL *ssl, int result)
{
    if (result > 0)
        return result;
    int error = SSL_get_error(ssl, result);
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

/* What is left of `out` and of the body, in one call where there is no TLS. */
static ssize_t write_some(struct session *session)
{
    struct iovec parts[2];
    int count = 0;
    if (session->out_at < session->out_size)
        parts[count++] =
            (struct iovec){session->out + session->out_at, session->out_size - session->out_at};
    if (session->body && session->body_at < session->body->size)
        parts[count++] = (struct iovec){session->body->text + session->body_at,
                                        session->body->size - session->body_at};
    if (count == 0)
        return 0;
    if (!session->secured)
        return writev(session->fd, parts, count);
    size_t size = parts[0].iov_len < 1 << 20 ? parts[0].iov_len : 1 << 20;
    return ssl_result(session->ssl, SSL_write(session->ssl, parts[0].iov_base, (int)size));
}

static void flush(struct session *session)
{
    ssize_t size;
    while ((size = write_some(session)) > 0) {
        size_t rest = (size_t)size, out = session->out_size - session->out_at;
        size_t of_out = rest < out ? rest : out;
        session->out_at += of_out;
        session->body_at += rest - of_out;
    }
    if (size == 0) {
        session->out_at = session->out_size = 0;
        want(session, EPOLLIN);
    } else if (errno == EAGAIN) {
        want(session, EPOLLIN | EPOLLOUT);
    } else {
        broken(session, strerror(errno));
    }
}

__attribute__((format(printf, 2, 3))) static void say(struct session *session, const char *format,
                                                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof session->out - session->out_size;
    int size = vsnprintf(session->out + session->out_size, room, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= room)
        abort(); /* addresses are options, and load.c limits them */
    session->out_size += (size_t)size;
}

/* The next message, or QUIT. */
static void begin_message(struct session *session)
{
    struct load *load = session->load;
    if (session->sent == load->per_session ||
        (session->number < 0 && (session->number = load_take(load)) < 0)) {
        session->waits_for = QUIT;
        say(session, "QUIT\r\n");
        flush(session);
        return;
    }
    session->began = load_now();
    session->waits_for = MAIL;
    say(session, "MAIL FROM:<%s>\r\n", load->sender);
    if (load->pipelining)
        say(session, "RCPT TO:<%s>\r\nDATA\r\n", load->recipient);
    flush(session);
}

/* To the reply to this command; where commands are pipelined, it was sent with MAIL. */
static void next_command(struct session *session, enum waits_for waits_for)
{
    session->waits_for = waits_for;
    if (session->load->pipelining)
        return;
    if (waits_for == RCPT)
        say(session, "RCPT TO:<%s>\r\n", session->load->recipient);
    else
        say(session, "DATA\r\n");
    flush(session);
}

static void send_body(struct session *session)
{
    const struct load *load = session->load;
    session->waits_for = END_OF_DATA;
    say(session, "Message-ID: <BENCH-%08x-%08ld@bench.example>\r\n", load->run, session->number);
    session->body = &load->mails[(size_t)session->number % load->mail_count];
    session->body_at = 0;
    flush(session);
}

static void handshake(struct session *session)
{
    session->waits_for = HANDSHAKE;
    if (!session->ssl) {
        session->ssl = SSL_new(session->load->ssl);
        SSL_set_fd(session->ssl, session->fd);
        SSL_set_connect_state(session->ssl);
    }
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        session->secured = true;
        session->waits_for = session->load->tls == LOAD_IMPLICIT ? GREETING : EHLO;
        if (session->waits_for == EHLO)
            say(session, "EHLO bench.example\r\n");
        flush(session);
        return;
    }
    int error = SSL_get_error(session->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        want(session, EPOLLIN);
    else if (error == SSL_ERROR_WANT_WRITE)
        want(session, EPOLLIN | EPOLLOUT);
    else
        broken(session, "TLS failed");
}

/* The message was answered: the next one, or after 421 a new connection. */
static void end_message(struct session *session, int code)
{
    session->body = NULL;
    session->sent++;
    if (code / 100 == 2) {
        load_acknowledge(session->load, session->number, load_now() - session->began);
        session->number = -1;
    } else {
        give_back(session, code / 100 == 5);
    }
    if (code == 421)
        hang_up(session, PAUSE);
    else
        begin_message(session);
}

static void replied(struct session *session, int code)
{
    struct load *load = session->load;
    enum waits_for waits_for = session->waits_for;
    if (waits_for == END_OF_DATA || waits_for == QUIT) {
        waits_for == QUIT ? hang_up(session, 0) : end_message(session, code);
    } else if (code / 100 != (waits_for == DATA ? 3 : 2)) {
        give_back(session, code / 100 == 5);
        hang_up(session, PAUSE);
    } else if (waits_for == GREETING) {
        session->waits_for = EHLO;
        say(session, "EHLO bench.example\r\n");
        flush(session);
    } else if (waits_for == EHLO && load->tls == LOAD_STARTTLS && !session->secured) {
        session->waits_for = STARTTLS;
        say(session, "STARTTLS\r\n");
        flush(session);
    } else if (waits_for == EHLO) {
        begin_message(session);
    } else if (waits_for == STARTTLS) {
        handshake(session);
    } else if (waits_for == MAIL) {
        next_command(session, RCPT);
    } else if (waits_for == RCPT) {
        next_command(session, DATA);
    } else if (waits_for == DATA) {
        send_body(session);
    }
}

/* One line of a reply; "250-" is followed by more. */
static void take_line(struct session *session, const char *line)
{
    int code = atoi(line);
    if (code >= 400 || code < 200)
        snprintf(session->load->last_error, sizeof session->load->last_error, "%.250s", line);
    if (strlen(line) < 4 || line[3] != '-')
        replied(session, code);
}

/* False where the connection was closed meanwhile. */
static bool take_lines(struct session *session)
{
    char *line = session->in, *end;
    while ((end = memchr(line, '\n', session->in_size - (size_t)(line - session->in)))) {
        *end = 0;
        if (end > line && end[-1] == '\r')
            end[-1] = 0;
        take_line(session, line);
        if (session->fd < 0)
            return false;
        line = end + 1;
    }
    session->in_size -= (size_t)(line - session->in);
    memmove(session->in, line, session->in_size);
    return true;
}

static void read_replies(struct session *session)
{
    for (;;) {
        char *at = session->in + session->in_size;
        size_t room = sizeof session->in - session->in_size;
        ssize_t size = session->secured
                           ? ssl_result(session->ssl, SSL_read(session->ssl, at, (int)room))
                           : read(session->fd, at, room);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0) {
            broken(session, size == 0 ? "the server closed the connection" : strerror(errno));
            return;
        }
        session->in_size += (size_t)size;
        if (!take_lines(session) || session->waits_for == HANDSHAKE)
            return;
        if (session->in_size == sizeof session->in) {
            broken(session, "a reply is too long");
            return;
        }
    }
}

void session_ready(struct session *session, unsigned events)
{
    if (session->waits_for == CONNECTION) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            broken(session, strerror(error));
            return;
        }
        session->waits_for = GREETING;
        want(session, EPOLLIN);
        if (session->load->tls == LOAD_IMPLICIT)
            handshake(session);
    } else if (session->waits_for == HANDSHAKE) {
        handshake(session);
    } else {
        if (events & EPOLLOUT)
            flush(session);
        if (session->fd >= 0 && events & ~(unsigned)EPOLLOUT)
            read_replies(session);
    }
}

static void connect_session(struct session *session)
{
    struct load *load = session->load;
    int port = load->ports[load->next_port++ % (unsigned)load->port_count];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;
    inet_pton(AF_INET, load->host, &address.sin_addr);
    session->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    session->in_size = session->out_size = session->out_at = 0;
    session->body = NULL;
    session->secured = false;
    session->sent = 0;
    session->waits_for = CONNECTION;
    session->events = EPOLLIN | EPOLLOUT;
    struct epoll_event event = {.events = session->events, .data.ptr = session};
    if (session->fd < 0 ||
        setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0 ||
        (connect(session->fd, (struct sockaddr *)&address, sizeof address) < 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, session->fd, &event) < 0) {
        broken(session, strerror(errno));
        return;
    }
    session->load->connections++;
}

bool sessions_run(struct session *sessions, struct load *load)
{
    bool alive = false;
    double now = load_now();
    for (int i = 0; i < load->sessions; i++) {
        struct session *session = &sessions[i];
        if (session->fd < 0 && session->due <= now && (session->number = load_take(load)) >= 0)
            connect_session(session);
        alive |= session->fd >= 0 || load->retry_count > 0;
    }
    return alive || load->next < load->messages;
}
