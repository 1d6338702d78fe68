#include "smtp_transfer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/ascii.h"
#include "../base/clock.h"
#include "curl_hooks.h"

#define REPLIES_MAX       (64u * 1024) /* bytes of all replies of a request */
#define IDLE_CONNECTION_S 30           /* Postfix keeps an idle client for 100 s when it is busy */

struct exchange {
    struct carrier *carrier;
    CURL *easy; /* its */
    struct smtp_request *request;
    struct smtp_dialogue dialogue;
    struct body_out body;
    struct sockets_out sockets;
    bool in_clear;   /* its TLS failed, and it goes without */
    bool needs_utf8; /* SMTPUTF8, for an address that is not ASCII */
    char error[CURL_ERROR_SIZE];
    char server_ip[64];
    long server_port;
};

/* ---- libcurl's callbacks ---- */

/* Called at least once a second, also while a reply is awaited. */
static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct exchange *t = context;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load_explicit(&t->request->cancelled, memory_order_relaxed);
}

static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t size, void *context)
{
    struct exchange *t = context;
    (void)easy;
    if (type == CURLINFO_HEADER_OUT)
        smtp_note_command(&t->dialogue, bytes, size);
    /* After QUIT libcurl waits for an answer: not of one that has just given none. */
    if (t->dialogue.over && (t->dialogue.code == 0 || atomic_load(&t->request->cancelled)))
        shutdown(t->carrier->fd, SHUT_RDWR);
    return 0;
}

/* An address that is not ASCII must not be sent to a server that does not know SMTPUTF8 (RFC 6531
 * section 3.2): libcurl would. */
static bool lacks_utf8(const struct exchange *t)
{
    return t->needs_utf8 && t->dialogue.phase == SMTP_EHLO && t->dialogue.code == 250 &&
           !t->dialogue.offers_utf8;
}

static size_t on_line(char *line, size_t size, size_t count, void *context)
{
    struct exchange *t = context;
    smtp_note_line(&t->dialogue, line, size * count);
    return t->dialogue.bytes > REPLIES_MAX || lacks_utf8(t) ? 0 : size * count;
}

/* How many SYNs go out in that time: the second after 1 s, then 2, 4, ... later. */
static int syn_count(int64_t timeout_ms)
{
    int count = 1;
    while (count < 6 && ((2 << count) - 1) * 1000ll < timeout_ms)
        count++;
    return count;
}

/* libcurl's own limit for a connection covers the greeting and all before MAIL as well, for which
 * servers may take their time: so that of TCP is the kernel's. */
static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct exchange *t = context;
    curl_socket_t fd = sockets_out_open(&t->sockets, purpose, address);
    if (fd == CURL_SOCKET_BAD)
        return fd;
    int syns = syn_count(t->request->connect_timeout_ms);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &syns, sizeof syns);
    t->carrier->fd = fd;
    return fd;
}

static int on_close(void *context, curl_socket_t fd)
{
    struct carrier *carrier = context;
    if (carrier->fd == fd)
        carrier->fd = -1;
    return close(fd);
}

/* ---- The request ---- */

static void set_callbacks(struct exchange *t)
{
    CURL *easy = t->easy;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1l);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0l);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1l); /* else there is no CURLOPT_DEBUGFUNCTION */
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, t->carrier); /* it may outlive the request */
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1l);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, body_out_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, &t->body);
}

static void set_limits(struct exchange *t)
{
    const struct smtp_request *r = t->request;
    long reply_s = (long)((r->reply_timeout_ms + 999) / 1000);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)r->reply_timeout_ms);
    curl_easy_setopt(t->easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, reply_s);
    curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, 1l);
    curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, reply_s);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    curl_easy_setopt(t->easy, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_S);
    curl_easy_setopt(t->easy, CURLOPT_MAXCONNECTS, 1l);
}

static bool is_implicit(const struct smtp_request *r)
{
    return strncmp(r->url, "smtps:", 6) == 0;
}

static void set_tls(struct exchange *t)
{
    static const long use[] = {[FORWARD_TLS_OPPORTUNISTIC] = CURLUSESSL_TRY,
                               [FORWARD_TLS_VERIFIED] = CURLUSESSL_ALL,
                               [FORWARD_TLS_OFF] = CURLUSESSL_NONE};
    const struct smtp_request *r = t->request;
    bool verified = r->tls == FORWARD_TLS_VERIFIED || is_implicit(r);
    curl_easy_setopt(t->easy, CURLOPT_USE_SSL, t->in_clear ? CURLUSESSL_NONE : use[r->tls]);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, verified ? 1l : 0l);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, verified ? 2l : 0l);
}

/* Strings are copied by libcurl; without memory it says so. */
static CURLcode set_route(struct exchange *t, struct curl_slist *connect_to)
{
    const struct smtp_request *r = t->request;
    char url[1024], source[80];
    CURL *easy = t->easy;
    snprintf(url, sizeof url, "%s/%s", r->url, r->helo);
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    snprintf(source, sizeof source, "host!%s", r->source_address ? r->source_address : "");
    if (rc == CURLE_OK && r->source_address)
        rc = curl_easy_setopt(easy, CURLOPT_INTERFACE, source);
    if (rc == CURLE_OK && r->ca_file)
        rc = curl_easy_setopt(easy, CURLOPT_CAINFO, r->ca_file);
    if (rc == CURLE_OK && r->user)
        rc = curl_easy_setopt(easy, CURLOPT_USERNAME, r->user);
    if (rc == CURLE_OK && r->user)
        rc = curl_easy_setopt(easy, CURLOPT_PASSWORD, r->password);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to);
    return rc;
}

static CURLcode set_message(struct exchange *t, struct curl_slist *recipients)
{
    const struct smtp_request *r = t->request;
    curl_easy_setopt(t->easy, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)payload_size(r->payload));
    /* What a server offers is said once a connection. */
    t->needs_utf8 = !is_ascii(r->from) || !is_ascii(r->to);
    curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, t->needs_utf8 ? 1l : 0l);
    return curl_easy_setopt(t->easy, CURLOPT_MAIL_FROM, *r->from ? r->from : NULL);
}

/* A kept connection that ends just when it is used again is nobody's failure: nothing has been
 * answered, so nothing has been taken. */
static bool is_stale(const struct exchange *t, CURLcode rc)
{
    return rc != CURLE_OK && t->sockets.opened == 0 && t->dialogue.code == 0 &&
           t->dialogue.phase <= SMTP_MAIL && !atomic_load(&t->request->cancelled);
}

static CURLcode perform(struct exchange *t)
{
    char target[160];
    const char *address = t->request->address;
    bool six = address && strchr(address, ':');
    snprintf(target, sizeof target, "::%s%s%s:", six ? "[" : "", address ? address : "",
             six ? "]" : "");
    struct curl_slist *connect_to = address ? curl_slist_append(NULL, target) : NULL;
    struct curl_slist *recipients = curl_slist_append(NULL, t->request->to);
    CURLcode rc = CURLE_OUT_OF_MEMORY;
    if (recipients && (connect_to || !address))
        rc = set_route(t, connect_to);
    if (rc == CURLE_OK)
        rc = set_message(t, recipients);
    if (rc == CURLE_OK)
        rc = curl_easy_perform(t->easy);
    if (is_stale(t, rc)) {
        t->body.offset = 0;
        t->dialogue = (struct smtp_dialogue){SMTP_CONNECT};
        curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1l);
        rc = curl_easy_perform(t->easy);
    }
    char *ip = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &ip);
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &t->server_port);
    snprintf(t->server_ip, sizeof t->server_ip, "%s", ip ? ip : "");
    curl_easy_reset(t->easy); /* the lists are read no more; its connection stays */
    curl_slist_free_all(connect_to);
    curl_slist_free_all(recipients);
    return rc;
}

/* ---- The result ---- */

static const char *why_not(const struct exchange *t, CURLcode rc)
{
    if (t->body.error)
        return strerror(-t->body.error);
    if (lacks_utf8(t))
        return "the address needs SMTPUTF8, which the server does not offer (5.6.7)";
    if (sockets_out_are_denied(&t->sockets))
        return "its address is not public (deny_private)";
    if (t->sockets.error)
        return strerror(t->sockets.error);
    if (t->dialogue.bytes > REPLIES_MAX)
        return "its replies do not end";
    return t->error[0] ? t->error : curl_easy_strerror(rc);
}

static void name_server(const struct exchange *t, char server[SERVER_SIZE])
{
    const char *host = strstr(t->request->url, "://") + 3;
    int size = (int)strcspn(host, "/");
    if (*t->server_ip)
        snprintf(server, SERVER_SIZE, "%.*s[%s]:%ld", (int)(strrchr(host, ':') - host), host,
                 t->server_ip, t->server_port);
    else
        snprintf(server, SERVER_SIZE, "%.*s", size, host);
}

/* libcurl knows 250 only; but the first digit tells (RFC 5321 section 4.2.1), and a message that
 * was taken must not be sent again. */
static bool is_taken(const struct exchange *t, CURLcode rc)
{
    const struct smtp_dialogue *d = &t->dialogue;
    bool yes =
        d->code >= 200 && d->code < 300 && t->body.offset == payload_size(t->request->payload);
    return d->phase >= SMTP_END_OF_DATA && (rc == CURLE_OK || yes);
}

static void fill(struct exchange *t, CURLcode rc)
{
    const struct smtp_dialogue *d = &t->dialogue;
    struct attempt_result *result = &t->request->result;
    result->hopeless = sockets_out_are_denied(&t->sockets) || lacks_utf8(t);
    result->starved = sockets_out_are_starved(&t->sockets, rc);
    result->ours = result->starved || t->body.error || rc == CURLE_INTERFACE_FAILED ||
                   rc == CURLE_SSL_CACERT_BADFILE;
    result->early = d->phase < SMTP_MAIL;
    /* What was said before the connection broke is no answer, unless it is a no. */
    if (is_taken(t, rc) || d->code >= 400)
        result->status = d->code;
    if (result->status) {
        memcpy(result->reply, d->text, d->size);
        result->reply_size = d->size;
        smtp_describe(d, result->error, sizeof result->error);
    } else {
        char command[SMTP_COMMAND_SIZE] = "";
        if (rc != CURLE_OK && d->code == 0 && !t->body.error) /* it has not been answered */
            smtp_name_command(d, command);
        snprintf(result->error, sizeof result->error, "%.*s%s",
                 (int)(sizeof result->error - sizeof command), why_not(t, rc), command);
    }
    name_server(t, result->server);
}

static CURLcode exchange(struct exchange *t)
{
    set_callbacks(t);
    set_limits(t);
    set_tls(t);
    CURLcode rc = perform(t);
    fill(t, rc);
    if (rc != CURLE_OK) /* libcurl may keep its connection, where replies to this may still come */
        carrier_close(t->carrier);
    return rc;
}

/* It broke inside the handshake of TLS that nobody insists on. */
static bool may_fall_back(const struct exchange *t, CURLcode rc)
{
    const struct smtp_request *r = t->request;
    return rc == CURLE_SSL_CONNECT_ERROR && r->tls == FORWARD_TLS_OPPORTUNISTIC &&
           r->tls_fallback && !is_implicit(r) && !atomic_load(&r->cancelled);
}

static bool begin_anew(struct exchange *t)
{
    struct carrier *carrier = t->carrier;
    struct smtp_request *request = t->request;
    if (!carrier->easy && !(carrier->easy = curl_easy_init()))
        return false;
    *t = (struct exchange){.carrier = carrier,
                           .easy = carrier->easy,
                           .request = request,
                           .body = {.payload = request->payload},
                           .sockets = {.deny_private = request->deny_private}};
    request->result = (struct attempt_result){.protocol = PROTOCOL_SMTP};
    return true;
}

void smtp_transfer(struct carrier *carrier, struct smtp_request *request)
{
    int64_t started_ms = clock_monotonic_ms();
    struct exchange t = {.carrier = carrier, .request = request};
    if (!begin_anew(&t)) {
        request->result = (struct attempt_result){.protocol = PROTOCOL_SMTP};
        request->result.ours = request->result.starved = true;
        return;
    }
    if (may_fall_back(&t, exchange(&t)) && begin_anew(&t)) {
        t.in_clear = true;
        (void)exchange(&t);
        request->result.in_clear = true;
    }
    request->result.elapsed_ms = clock_monotonic_ms() - started_ms;
}

/* Nothing more is read from here on, so that libcurl does not wait for the answer to QUIT. */
void carrier_close(struct carrier *carrier)
{
    if (carrier->fd >= 0)
        shutdown(carrier->fd, SHUT_RD);
    if (carrier->easy)
        curl_easy_cleanup(carrier->easy);
    carrier->easy = NULL;
}
