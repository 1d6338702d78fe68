/* answer_destination.c - one destination, as a rule wrote it. */
#include "answer_destination.h"

#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "../base/duration.h"
#include "state.h"

static int read_url(lua_State *L, struct destination *to, struct verdict *verdict,
                    struct error *why)
{
    size_t size;
    if (lua_type(L, -1) != LUA_TSTRING)
        return error_set(why, -EINVAL, "url: a string was expected, not a %s",
                         luaL_typename(L, -1));
    const char *url = lua_tolstring(L, -1, &size);
    if (answer_check_named(state_of(L)->config, url, size, why) != 0)
        return -EINVAL;
    to->url = verdict ? answer_copy(L, verdict, url) : url;
    return 0;
}

static int read_secret(lua_State *L, struct destination *to, struct verdict *verdict,
                       struct error *why)
{
    const char *secret;
    if (answer_read_text(L, "secret", &secret, why) != 0)
        return -EINVAL;
    if (!*secret)
        return error_set(why, -EINVAL, "secret: it is empty");
    if (answer_check_reference(L, "secret", secret, why) != 0)
        return -EINVAL;
    to->secret = verdict ? answer_copy(L, verdict, secret) : secret;
    return 0;
}

static int read_timeout(lua_State *L, struct destination *to, struct verdict *verdict,
                        struct error *why)
{
    (void)verdict;
    double ms = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) * 1000 : NAN;
    if (!(ms >= 1 && ms <= ANSWER_MAX_TIMEOUT_MS))
        return error_set(why, -EINVAL, "timeout: seconds, from 0.001 to %d, were expected",
                         ANSWER_MAX_TIMEOUT_MS / 1000);
    to->timeout_ms = (int64_t)ms;
    return 0;
}

static int read_attempts(lua_State *L, struct destination *to, struct verdict *verdict,
                         struct error *why)
{
    (void)verdict;
    double attempts = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
    if (!(attempts >= 1 && attempts <= ANSWER_MAX_ATTEMPTS) || attempts != floor(attempts))
        return error_set(why, -EINVAL, "attempts: a whole number from 1 to %d was expected",
                         ANSWER_MAX_ATTEMPTS);
    to->attempts = (unsigned)attempts;
    return 0;
}

/* Of a pause; -1: it is none. */
static int64_t duration_ms(lua_State *L)
{
    const char *end = "";
    double ms = lua_type(L, -1) == LUA_TSTRING ? duration_read(lua_tostring(L, -1), &end) : -1;
    return ms >= 0 && !*end && ms <= ANSWER_MAX_PAUSE_MS ? (int64_t)ms : -1;
}

static int read_schedule(lua_State *L, struct destination *to, struct verdict *verdict,
                         struct error *why)
{
    int64_t pauses[ANSWER_MAX_ATTEMPTS - 1], *kept;
    size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    if (count == 0 || count > ANSWER_MAX_ATTEMPTS - 1)
        return error_set(why, -EINVAL, "schedule: a list of 1 to %d durations was expected",
                         ANSWER_MAX_ATTEMPTS - 1);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        pauses[i] = duration_ms(L);
        lua_pop(L, 1);
        if (pauses[i] < 0)
            return error_set(
                why, -EINVAL,
                "schedule: durations such as \"5s\", \"10m\", \"6h\" were expected, up "
                "to 30d");
    }
    if (!verdict)
        return 0;
    kept = arena_alloc(verdict->arena, count * sizeof *kept);
    if (!kept)
        luaL_error(L, "not enough memory");
    memcpy(kept, pauses, count * sizeof *kept);
    to->schedule_ms = kept;
    to->schedule_count = count;
    return 0;
}

/* "10/s", "600/m", "1000/h" */
static int read_rate(lua_State *L, struct destination *to, struct verdict *verdict,
                     struct error *why)
{
    (void)verdict;
    char *end = "";
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    double count = isdigit((unsigned char)*text) ? strtod(text, &end) : 0;
    double seconds = strcmp(end, "/s") == 0   ? 1
                     : strcmp(end, "/m") == 0 ? 60
                     : strcmp(end, "/h") == 0 ? 3600
                                              : 0;
    if (!(seconds > 0 && count > 0 && count / seconds <= ANSWER_MAX_RATE &&
          count / seconds >= 1.0 / 86400))
        return error_set(why, -EINVAL,
                         "rate: \"10/s\", \"600/m\" or \"1000/h\" was expected, from one a day to "
                         "%d/s",
                         ANSWER_MAX_RATE);
    to->rate = count / seconds;
    return 0;
}

static int read_max_in_flight(lua_State *L, struct destination *to, struct verdict *verdict,
                              struct error *why)
{
    (void)verdict;
    double most = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
    if (!(most >= 1 && most <= ANSWER_MAX_IN_FLIGHT) || most != floor(most))
        return error_set(why, -EINVAL, "max_in_flight: a whole number from 1 to %d was expected",
                         ANSWER_MAX_IN_FLIGHT);
    to->max_in_flight = (size_t)most;
    return 0;
}

/* Bytes, or "100 kB", "2.5 MB", "1 MiB". */
static int read_max_body(lua_State *L, struct destination *to, struct verdict *verdict,
                         struct error *why)
{
    static const struct {
        const char *unit;
        double bytes;
    } units[] = {{"", 1},         {"B", 1},        {"kB", 1e3},    {"KB", 1e3},
                 {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},   {"KiB", 0x1p10},
                 {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
    (void)verdict;
    double bytes = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
    if (lua_type(L, -1) == LUA_TSTRING) {
        char *end;
        double number = strtod(lua_tostring(L, -1), &end);
        end += strspn(end, " ");
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(end, units[i].unit) == 0)
                bytes = number * units[i].bytes;
    }
    if (!(bytes >= 1 && bytes <= (double)ANSWER_MAX_BODY))
        return error_set(why, -EINVAL,
                         "max_body: bytes, or a size such as \"100 kB\" or \"5 MB\", "
                         "were expected");
    to->max_body = (uint64_t)bytes;
    return 0;
}

static int read_path(lua_State *L, const char *what, const char **path, struct verdict *verdict,
                     struct error *why)
{
    const char *text;
    struct stat status;
    if (answer_read_text(L, what, &text, why) != 0)
        return -EINVAL;
    if (*text != '/')
        return error_set(why, -EINVAL, "%s: an absolute path was expected", what);
    if (stat(text, &status) == 0 && !S_ISREG(status.st_mode))
        return error_set(why, -EINVAL, "%s: %.200s is not a regular file", what, text);
    *path = verdict ? answer_copy(L, verdict, text) : text;
    return 0;
}

static int read_ca_file(lua_State *L, struct destination *to, struct verdict *verdict,
                        struct error *why)
{
    return read_path(L, "ca_file", &to->ca_file, verdict, why);
}

static int read_client_cert(lua_State *L, struct destination *to, struct verdict *verdict,
                            struct error *why)
{
    return read_path(L, "client_cert", &to->client_cert, verdict, why);
}

static int read_client_key(lua_State *L, struct destination *to, struct verdict *verdict,
                           struct error *why)
{
    return read_path(L, "client_key", &to->client_key, verdict, why);
}

static const struct field {
    const char *name;
    int (*read)(lua_State *L, struct destination *to, struct verdict *verdict, struct error *why);
} destination_fields[] = {{"url", read_url},
                          {"secret", read_secret},
                          {"headers", answer_read_headers},
                          {"timeout", read_timeout},
                          {"attempts", read_attempts},
                          {"schedule", read_schedule},
                          {"rate", read_rate},
                          {"max_in_flight", read_max_in_flight},
                          {"max_body", read_max_body},
                          {"ca_file", read_ca_file},
                          {"client_cert", read_client_cert},
                          {"client_key", read_client_key}};
#define FIELD_COUNT (sizeof destination_fields / sizeof *destination_fields)

static const struct field *find_field(lua_State *L)
{
    if (lua_type(L, -2) != LUA_TSTRING)
        return NULL;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (strcmp(destination_fields[i].name, lua_tostring(L, -2)) == 0)
            return &destination_fields[i];
    return NULL;
}

/* What an e-mail cannot have: they would be promises that nobody keeps. */
static int check_mail_fields(const struct destination *to, struct error *why)
{
    const char *name = to->secret          ? "secret"
                       : to->header_count  ? "headers"
                       : to->rate > 0      ? "rate"
                       : to->max_in_flight ? "max_in_flight"
                       : to->max_body      ? "max_body"
                       : to->ca_file       ? "ca_file"
                       : to->client_cert   ? "client_cert"
                       : to->client_key    ? "client_key"
                                           : NULL;
    if (!name)
        return 0;
    return error_set(why, -EINVAL,
                     "%s: only a URL can have it, '%.80s' is an e-mail address; that has timeout, "
                     "attempts, schedule",
                     name, to->url);
}

static int read_table(lua_State *L, int index, struct destination *to, struct verdict *verdict,
                      struct error *why)
{
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const struct field *field = find_field(L);
        if (!field)
            return error_set(why, -EINVAL,
                             "a destination has no field '%.40s'; it has url, secret, headers, "
                             "timeout, attempts, schedule, rate, max_in_flight, max_body, ca_file, "
                             "client_cert, client_key",
                             lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2)
                                                            : luaL_typename(L, -2));
        int top = lua_gettop(L);
        if (field->read(L, to, verdict, why) != 0)
            return -EINVAL;
        lua_settop(L, top);
    }
    if (!to->url)
        return error_set(why, -EINVAL, "a destination without a url");
    answer_add_profile(L, to, verdict);
    return destination_is_mail(to) ? check_mail_fields(to, why) : 0;
}

/* The array doubles in the arena: a recipient seldom has more than a few. */
static void keep_destination(lua_State *L, struct verdict *verdict, const struct destination *to)
{
    size_t count = verdict->destination_count;
    if ((count & (count - 1)) == 0) {
        struct destination *grown =
            arena_alloc(verdict->arena, (count ? count * 2 : 1) * sizeof *grown);
        if (!grown)
            luaL_error(L, "not enough memory");
        if (count > 0)
            memcpy(grown, verdict->destinations, count * sizeof *grown);
        verdict->destinations = grown;
    }
    verdict->destinations[verdict->destination_count++] = *to;
}

int answer_read_destination(lua_State *L, int index, struct verdict *verdict, struct error *why)
{
    struct destination to = {0};
    if (lua_istable(L, index)) {
        if (read_table(L, index, &to, verdict, why) != 0)
            return -EINVAL;
    } else {
        size_t size;
        const char *text = lua_tolstring(L, index, &size);
        if (strcasecmp(text, "null") == 0)
            return 1;
        if (strlen(text) != size)
            return error_set(why, -EINVAL, "a destination that holds NUL");
        if (answer_check_named(state_of(L)->config, text, size, why) != 0)
            return -EINVAL;
        to.url = verdict ? answer_copy(L, verdict, text) : text;
        answer_add_profile(L, &to, verdict);
    }
    if (verdict)
        keep_destination(L, verdict, &to);
    return 0;
}
