#include "known_logins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/write_all.h"
#include "session_private.h"

#define LINE_SIZE (20 + 1 + 46 + 1 + SASL_MAX_OCTETS + 1)

enum writing_state { IDLE, WAITING, WRITING, WRITING_AND_CHANGED };

struct known_logins {
    uv_loop_t *loop;
    struct guesses *guesses;
    uv_timer_t timer;
    uv_work_t work;
    enum writing_state state;
    int references; /* the timer, and what is written */
    char *path;     /* NULL: nothing is kept */
    char *text;     /* to be written */
    size_t size, capacity;
    int code; /* of writing */
    void (*closed)(void *context);
    void *context;
};

static void log_failure(const char *event, const char *path, int code)
{
    log_warn(event, NULL, LOG_TEXT("file", path), LOG_TEXT("error", strerror(-code)));
}

/* ---- Reading ---- */

static void read_line(struct known_logins *known, char *line, int64_t now_ms, int64_t unix_ms)
{
    struct ip_address address;
    char *rest;
    line[strcspn(line, "\n")] = 0;
    int64_t age_ms = unix_ms - (int64_t)strtoll(line, &rest, 10) * 1000;
    char *ip = rest + 1, *user = *rest == ' ' ? strchr(ip, ' ') : NULL;
    if (!user)
        return;
    *user++ = 0;
    if (*user && ip_address_parse(ip, &address) == 0)
        guesses_know(known->guesses, user, &address, age_ms > 0 ? age_ms : 0, now_ms);
}

static void read_file(struct known_logins *known)
{
    char line[LINE_SIZE + 1];
    int64_t now_ms = (int64_t)uv_now(known->loop), unix_ms = clock_unix_ms();
    FILE *file = fopen(known->path, "re");
    if (!file && errno != ENOENT)
        log_failure("known-logins-not-read", known->path, -errno);
    while (file && fgets(line, sizeof line, file))
        read_line(known, line, now_ms, unix_ms);
    if (file)
        fclose(file);
}

/* ---- Writing ---- */

static void add_line(void *context, const char *user, const struct ip_address *address,
                     int64_t age_ms)
{
    struct known_logins *known = context;
    char ip[46];
    if (known->capacity - known->size < LINE_SIZE + 1 || strpbrk(user, "\r\n"))
        return;
    ip_address_format(address, ip);
    known->size += (size_t)snprintf(known->text + known->size, LINE_SIZE + 1, "%lld %s %s\n",
                                    (long long)((clock_unix_ms() - age_ms) / 1000), ip, user);
}

static int make_text(struct known_logins *known)
{
    known->size = 0;
    known->capacity = guesses_known(known->guesses) * LINE_SIZE + 1;
    known->text = malloc(known->capacity);
    if (!known->text)
        return -ENOMEM;
    guesses_each_known(known->guesses, (int64_t)uv_now(known->loop), add_line, known);
    return 0;
}

static int write_temporary(const struct known_logins *known, const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int code = write_all(fd, known->text, known->size);
    if (code == 0 && fsync(fd) != 0)
        code = -errno;
    close(fd);
    return code;
}

/* Under its name it is whole: the old one, or the new one. */
static void write_file(struct known_logins *known)
{
    char temporary[4200];
    snprintf(temporary, sizeof temporary, "%s.new", known->path);
    known->code = write_temporary(known, temporary);
    if (known->code == 0 && rename(temporary, known->path) != 0)
        known->code = -errno;
    if (known->code != 0)
        unlink(temporary);
}

static void end_write(struct known_logins *known)
{
    free(known->text);
    known->text = NULL;
    known->state = IDLE;
    if (known->code != 0)
        log_failure("known-logins-not-kept", known->path, known->code);
}

static void write_now(struct known_logins *known)
{
    known->code = make_text(known);
    if (known->code == 0)
        write_file(known);
    end_write(known);
}

static void unref(struct known_logins *known)
{
    if (--known->references > 0)
        return;
    void (*closed)(void *context) = known->closed;
    void *context = known->context;
    free(known->path);
    free(known);
    closed(context);
}

static void write_in_pool(uv_work_t *work)
{
    write_file(work->data);
}

static void on_written(uv_work_t *work, int status)
{
    struct known_logins *known = work->data;
    bool again = known->state == WRITING_AND_CHANGED;
    (void)status; /* it is never cancelled */
    end_write(known);
    if (again && known->closed)
        write_now(known);
    else if (again)
        known_logins_changed(known);
    unref(known);
}

static void on_timer(uv_timer_t *timer)
{
    struct known_logins *known = timer->data;
    int code = make_text(known);
    if (code == 0) /* from here on known->code is the pool's */
        code = uv_queue_work(known->loop, &known->work, write_in_pool, on_written);
    if (code != 0) {
        known->code = code;
        end_write(known);
        return;
    }
    known->state = WRITING;
    known->references++;
}

/* ---- The whole ---- */

struct known_logins *known_logins_open(uv_loop_t *loop, struct guesses *guesses,
                                       const char *directory)
{
    struct known_logins *known = calloc(1, sizeof *known);
    char path[4100];
    if (!known)
        return NULL;
    if (directory) {
        snprintf(path, sizeof path, "%s/" KNOWN_LOGINS_FILE, directory);
        known->path = strdup(path);
    }
    if (directory && !known->path) {
        free(known);
        return NULL;
    }
    known->loop = loop;
    known->guesses = guesses;
    known->references = 1;
    known->work.data = known;
    uv_timer_init(loop, &known->timer);
    known->timer.data = known;
    if (known->path)
        read_file(known);
    return known;
}

void known_logins_changed(struct known_logins *known)
{
    if (!known || !known->path)
        return;
    if (known->state == WRITING)
        known->state = WRITING_AND_CHANGED;
    if (known->state != IDLE)
        return;
    known->state = WAITING;
    uv_timer_start(&known->timer, on_timer, KNOWN_LOGINS_WRITE_MS, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    unref(handle->data);
}

void known_logins_close(struct known_logins *known, void (*closed)(void *context), void *context)
{
    known->closed = closed;
    known->context = context;
    if (known->state == WAITING)
        write_now(known);
    uv_close((uv_handle_t *)&known->timer, on_timer_closed);
}
