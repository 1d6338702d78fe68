#include "multi.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file descriptor that libcurl waits for. Kept from one connection to the next that has the same
 * number: while it is stopped libuv knows nothing of it.
 *
 * A connection that is kept for the next request waits for nothing, but stays on the kernel's list until something
 * comes or it is closed: to take it off and put it back would be three system calls for each request. */
struct multi_socket {
    uv_poll_t poll;
    curl_socket_t fd;
    int events; /* that libcurl waits for; 0: none */
    int polled; /* that libuv waits for */
    struct multi *multi;
};

struct multi {
    uv_loop_t *loop;
    CURLM *curl;
    uv_timer_t timer;
    bool dead; /* on_socket() has failed, and the timer is to end all transfers */
    struct multi_socket **sockets; /* by file descriptor */
    size_t socket_count;
};

static void on_timer(uv_timer_t *timer);

static void on_poll(uv_poll_t *poll, int status, int events);

/* libuv waits for these. 0 or a negative errno. */
static int poll_for(struct multi_socket *s, int events)
{
    if (s->polled == 0 && events == 0)
        return 0;
    int code = events ? uv_poll_start(&s->poll, events, on_poll) : uv_poll_stop(&s->poll);
    s->polled = code == 0 ? events : 0;
    return code;
}

static void finish_all(struct multi *multi)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi->curl, &left))) {
        struct multi_transfer *transfer;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer->finished(transfer, message->data.result);
    }
}

/* libuv stops a poll that ends in an error. libcurl is to read what came before the error, and the
 * error itself, so it is told that it can, until it has had enough. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct multi_socket *s = poll->data;
    struct multi *multi = s->multi;
    int flags = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT : 0, running;
    if (status < 0)
        s->polled = 0;
    if (s->events == 0) { /* it will see when it takes the connection again */
        poll_for(s, 0);
        return;
    }
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(multi->curl, s->fd, flags, &running);
    if (status < 0 && s->events != 0)
        poll_for(s, s->events);
    finish_all(multi);
}

static int grow_sockets(struct multi *multi, size_t needed)
{
    size_t count = multi->socket_count ? multi->socket_count : 64;
    while (count < needed)
        count *= 2;
    struct multi_socket **grown = realloc(multi->sockets, count * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    memset(grown + multi->socket_count, 0, (count - multi->socket_count) * sizeof *grown);
    multi->sockets = grown;
    multi->socket_count = count;
    return 0;
}

static struct multi_socket *socket_get(struct multi *multi, curl_socket_t fd)
{
    if ((size_t)fd >= multi->socket_count && grow_sockets(multi, (size_t)fd + 1) != 0)
        return NULL;
    struct multi_socket *s = multi->sockets[fd];
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s || uv_poll_init_socket(multi->loop, &s->poll, fd) != 0) {
        free(s);
        return NULL;
    }
    s->fd = fd;
    s->multi = multi;
    s->poll.data = s;
    return multi->sockets[fd] = s;
}

/* A socket that cannot be watched, for want of memory or of the kernel's, is an error to libcurl
 * that ends every transfer; but each only when it is run, which without sockets nobody would do. */
static int give_up(struct multi *multi)
{
    multi->dead = true;
    uv_timer_start(&multi->timer, on_timer, 0, 0);
    return -1;
}

/* Then on_close() will tell when its connection ends. libcurl closes one that is not connected yet by itself, and tells us
 * only that it waits no more. */
static bool has_answered(CURL *easy)
{
    long status = 0;
    return curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status > 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket)
{
    struct multi *multi = context;
    (void)socket;
    struct multi_socket *s = socket_get(multi, fd);
    if (!s)
        return give_up(multi);
    bool kept = s->events == 0 && s->polled != 0;
    s->events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    if (what == CURL_POLL_REMOVE)
        s->events = 0;
    if (s->events != 0)
        uv_ref((uv_handle_t *)&s->poll);
    else
        uv_unref((uv_handle_t *)&s->poll); /* the loop may end */
    if ((s->events == 0 && has_answered(easy)) || (kept && s->events == s->polled))
        return 0;
    return poll_for(s, s->events) == 0 ? 0 : give_up(multi);
}

static int on_close(void *context, curl_socket_t fd)
{
    struct multi *multi = context;
    struct multi_socket *s = (size_t)fd < multi->socket_count ? multi->sockets[fd] : NULL;
    if (s) {
        s->events = 0;
        poll_for(s, 0);
    }
    return close(fd);
}

static void on_timer(uv_timer_t *timer)
{
    struct multi *multi = timer->data;
    int running;
    bool dead = multi->dead;
    multi->dead = false;
    if (dead)
        curl_multi_perform(multi->curl, &running);
    else
        curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_all(multi);
}

static int on_timer_change(CURLM *curl, long timeout_ms, void *context)
{
    struct multi *multi = context;
    (void)curl;
    if (multi->dead)
        return 0;
    if (timeout_ms < 0)
        uv_timer_stop(&multi->timer);
    else
        uv_timer_start(&multi->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

int multi_new(uv_loop_t *loop, struct multi **out)
{
    struct multi *multi = calloc(1, sizeof *multi);
    if (!multi)
        return -ENOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(multi->curl = curl_multi_init())) {
        free(multi);
        return -ENOMEM;
    }
    multi->loop = loop;
    multi->timer.data = multi;
    uv_timer_init(loop, &multi->timer);
    curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, on_timer_change);
    curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
    *out = multi;
    return 0;
}

void multi_keep(struct multi *multi, size_t connections)
{
    curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, (long)connections);
}

int multi_add(struct multi *multi, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, multi);
    return curl_multi_add_handle(multi->curl, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void multi_remove(struct multi *multi, CURL *easy)
{
    curl_multi_remove_handle(multi->curl, easy);
}

static void free_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void multi_free(struct multi *multi)
{
    if (!multi)
        return;
    curl_multi_cleanup(multi->curl);
    for (size_t i = 0; i < multi->socket_count; i++)
        if (multi->sockets[i])
            uv_close((uv_handle_t *)&multi->sockets[i]->poll, free_closed);
    free(multi->sockets);
    uv_close((uv_handle_t *)&multi->timer, free_closed);
    curl_global_cleanup();
}
