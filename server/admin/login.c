/*
 * Who it is: by a Unix-domain socket, whose permissions have said so; by a session's cookie; by a token.
 *
 * Where no user and no token is configured, whoever connects from this machine may do anything (config refuses other
 * addresses then). Wrong passwords cost an address time; a session's key is random, and lives in memory only.
 */
#include <crypt.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <sys/random.h>

#include "../base/ascii.h"
#include "../base/clock.h"
#include "../base/log.h"
#include "../deliver/reference.h"
#include "request.h"

#define SESSIONS_MAX  64
#define SESSION_MS    (12 * 3600 * 1000ll) /* since it was last used */
#define KEY_SIZE      33
#define FAILURES_MAX  256 /* addresses that are remembered */
#define FAILURES_FREE 5   /* wrong passwords before an address has to wait */
#define FAILURE_MS    60000
#define COOKIE        "mxhook"

/* What no password gives, so that a name that is not there takes as long as another. */
#define NO_HASH "$6$mxhook$no.such.user"

struct login_session {
    char key[KEY_SIZE];
    char name[ADMIN_NAME_SIZE];
    int64_t used_ms; /* monotonic; 0: free */
};

struct login_failure {
    char address[46];
    unsigned count;
    int64_t last_ms;
};

struct sessions {
    struct login_session items[SESSIONS_MAX];
    struct login_failure failures[FAILURES_MAX];
    uv_mutex_t lock; /* of all of it: HTTP's thread looks, and that of the history logs in */
};

struct sessions *sessions_new(void)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions)
        uv_mutex_init(&sessions->lock);
    return sessions;
}

void sessions_free(struct sessions *sessions)
{
    if (sessions) {
        uv_mutex_destroy(&sessions->lock);
        explicit_bzero(sessions, sizeof *sessions);
    }
    free(sessions);
}

static const struct admin_login *find_login(const struct config *config, const char *name,
                                            bool token)
{
    for (size_t i = 0; i < config->admin.login_count; i++)
        if (config->admin.logins[i].token == token &&
            strcmp(config->admin.logins[i].name, name) == 0)
            return &config->admin.logins[i];
    return NULL;
}

/* ---- Failures ---- */

static struct login_failure *failure_of(struct sessions *sessions, const char *address)
{
    struct login_failure *oldest = &sessions->failures[0];
    for (size_t i = 0; i < FAILURES_MAX; i++) {
        struct login_failure *f = &sessions->failures[i];
        if (strcmp(f->address, address) == 0)
            return f;
        if (f->last_ms < oldest->last_ms)
            oldest = f;
    }
    *oldest = (struct login_failure){0};
    snprintf(oldest->address, sizeof oldest->address, "%s", address);
    return oldest;
}

static bool has_to_wait(struct login_failure *failure)
{
    int64_t now = clock_monotonic_ms();
    if (now - failure->last_ms > FAILURE_MS)
        failure->count = 0;
    return failure->count >= FAILURES_FREE;
}

static void note_failure(struct request *request, struct login_failure *failure, const char *name)
{
    failure->count++;
    failure->last_ms = clock_monotonic_ms();
    log_limited(LOG_WARN, "admin-refused", NULL, LOG_TEXT("from", request->peer->address),
                LOG_TEXT("name", name));
}

/* ---- Tokens ---- */

static bool same_text(const char *a, const char *b)
{
    size_t size = strlen(a);
    return size == strlen(b) && CRYPTO_memcmp(a, b, size) == 0;
}

static const struct admin_login *find_token(const struct config *config, const char *token)
{
    const struct admin_login *found = NULL;
    for (size_t i = 0; i < config->admin.login_count; i++) {
        const struct admin_login *login = &config->admin.logins[i];
        char buffer[REFERENCE_SIZE];
        const char *value;
        struct error err;
        if (!login->token)
            continue;
        if (reference_read(login->secret, buffer, &value, &err) == 0 && same_text(value, token))
            found = login;
        explicit_bzero(buffer, sizeof buffer);
    }
    return found;
}

/* ---- Sessions ---- */

static struct login_session *find_session(struct sessions *sessions, const char *key)
{
    int64_t now = clock_monotonic_ms();
    for (size_t i = 0; key && i < SESSIONS_MAX; i++) {
        struct login_session *s = &sessions->items[i];
        if (s->used_ms && now - s->used_ms < SESSION_MS && same_text(s->key, key)) {
            s->used_ms = now;
            return s;
        }
    }
    return NULL;
}

static struct login_session *new_session(struct sessions *sessions, const char *name)
{
    unsigned char bytes[(KEY_SIZE - 1) / 2];
    struct login_session *s = &sessions->items[0];
    for (size_t i = 1; i < SESSIONS_MAX; i++)
        if (sessions->items[i].used_ms < s->used_ms)
            s = &sessions->items[i];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return NULL;
    hex_write(s->key, bytes, sizeof bytes);
    snprintf(s->name, sizeof s->name, "%s", name);
    s->used_ms = clock_monotonic_ms();
    return s;
}

/* ---- Who it is ---- */

static void become(struct request *request, enum admin_role role, const char *name)
{
    request->role = role;
    snprintf(request->who, sizeof request->who, "%s", name);
}

static bool by_token(struct request *request, const char *authorization)
{
    struct login_failure *failure = failure_of(request->admin->sessions, request->peer->address);
    if (strncasecmp(authorization, "Bearer ", 7) != 0)
        return false;
    const struct admin_login *login =
        has_to_wait(failure) ? NULL : find_token(request->config, authorization + 7);
    if (login)
        become(request, login->role, login->name);
    else
        note_failure(request, failure, "(token)");
    return login;
}

static void identify(struct request *request)
{
    const char *authorization = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                            MHD_HTTP_HEADER_AUTHORIZATION);
    const char *key = MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, COOKIE);
    struct login_session *session = find_session(request->admin->sessions, key);
    const struct admin_login *login =
        session ? find_login(request->config, session->name, false) : NULL;
    if (request->peer->local) {
        become(request, ADMIN_OPERATE, "unix");
    } else if (authorization) {
        by_token(request, authorization);
    } else if (login) {
        become(request, login->role, login->name);
    } else if (request->config->admin.login_count == 0 && request->peer->loopback) {
        become(request, ADMIN_OPERATE, "loopback");
    }
}

bool login_check(struct request *request)
{
    struct sessions *sessions = request->admin->sessions;
    uv_mutex_lock(&sessions->lock);
    identify(request);
    uv_mutex_unlock(&sessions->lock);
    if (request->role >= request->route->role)
        return true;
    if (request->role == ADMIN_NOBODY)
        response_error(request, 401, "who are you?");
    else
        response_error(request, 403, "%s may not do that", request->who);
    return false;
}

static bool is_right(const struct admin_login *login, const char *password)
{
    struct crypt_data data = {0};
    const char *hash = crypt_r(password, login ? login->secret : NO_HASH, &data);
    bool right = login && hash && same_text(hash, login->secret);
    explicit_bzero(&data, sizeof data);
    return right;
}

/* False: there are no random numbers. */
static bool make_session(struct request *request, const char *name)
{
    struct sessions *sessions = request->admin->sessions;
    uv_mutex_lock(&sessions->lock);
    struct login_session *session = new_session(sessions, name);
    if (session)
        snprintf(request->response.cookie, sizeof request->response.cookie,
                 COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict", session->key);
    uv_mutex_unlock(&sessions->lock);
    return session;
}

static void log_in(struct request *request, const char *name)
{
    if (!make_session(request, name)) {
        response_error(request, 503, "no random numbers");
        return;
    }
    become(request, find_login(request->config, name, false)->role, name);
    login_whoami(request);
    request_audit(request, "login", name, 1);
}

/* What came of a login, for the address. */
static void note_login(struct request *request, const char *name, bool right)
{
    struct sessions *sessions = request->admin->sessions;
    uv_mutex_lock(&sessions->lock);
    struct login_failure *failure = failure_of(sessions, request->peer->address);
    if (right)
        failure->count = 0;
    else
        note_failure(request, failure, name ? name : "");
    uv_mutex_unlock(&sessions->lock);
}

static bool must_wait(struct request *request)
{
    struct sessions *sessions = request->admin->sessions;
    uv_mutex_lock(&sessions->lock);
    bool wait = has_to_wait(failure_of(sessions, request->peer->address));
    uv_mutex_unlock(&sessions->lock);
    return wait;
}

void login_post(struct request *request)
{
    struct lua_State *L;
    if (must_wait(request)) {
        response_error(request, 429, "too many wrong passwords: wait a minute");
        return;
    }
    if (!(L = request_body(request)))
        return;
    const char *name = body_text(L, "user"), *password = body_text(L, "password");
    const struct admin_login *login = name ? find_login(request->config, name, false) : NULL;
    bool right = is_right(login, password ? password : "");
    note_login(request, name, right);
    if (right)
        log_in(request, name);
    else
        response_error(request, 401, "wrong name or password");
    lua_close(L);
}

void login_leave(struct request *request)
{
    const char *key = MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, COOKIE);
    struct sessions *sessions = request->admin->sessions;
    uv_mutex_lock(&sessions->lock);
    struct login_session *session = find_session(sessions, key);
    if (session)
        *session = (struct login_session){0};
    uv_mutex_unlock(&sessions->lock);
    become(request, ADMIN_NOBODY, "");
    login_whoami(request);
    snprintf(request->response.cookie, sizeof request->response.cookie,
             COOKIE "=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
}

void login_whoami(struct request *request)
{
    static const char *const roles[] = {NULL, "view", "read", "operate"};
    struct json *json = response_json(request);
    if (!json)
        return;
    json_begin_object(json);
    json_pair(json, "name", *request->who ? request->who : NULL);
    json_pair(json, "role", roles[request->role]);
    json_pair_boolean(json, "login", request->config->admin.login_count > 0);
    json_end_object(json);
}
