/* The fields of a destination's table. The value is on top of the stack where one is read. */
#include "destination_read.h"

#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/byte_unit.h"
#include "../base/duration.h"
#include "destination_fields.h"

static int not_expected(const struct destination_writer *writer,
                        const struct destination_field *field, struct error *why)
{
    return error_set(why, -EINVAL, "%s",
                     writer->configuration ? field->configured : field->expected);
}

/* ---- Texts ---- */

static int read_url(const struct destination_writer *writer, const struct destination_field *field,
                    struct destination *to, struct error *why)
{
    size_t size;
    lua_State *L = writer->L;
    if (lua_type(L, -1) != LUA_TSTRING)
        return writer->configuration
                   ? not_expected(writer, field, why)
                   : error_set(why, -EINVAL, "url: a string was expected, not a %s",
                               luaL_typename(L, -1));
    const char *url = lua_tolstring(L, -1, &size);
    if (writer->check_url(writer, url, size, why) != 0)
        return -EINVAL;
    to->url = destination_keep(writer, url);
    return 0;
}

/* What begins with "env:" or "file:" is a reference (deliver/reference.h). */
static int check_reference(const struct destination_writer *writer, const char *what,
                           const char *text, struct error *why)
{
    static const char env[] = "env:", file[] = "file:";
    if (strncmp(text, env, sizeof env - 1) == 0)
        return writer->check_env(writer, what, text + sizeof env - 1, why);
    if (strncmp(text, file, sizeof file - 1) == 0)
        return writer->check_file(writer, what, text + sizeof file - 1, why);
    return 0;
}

static int read_text(const struct destination_writer *writer, const struct destination_field *field,
                     struct destination *to, struct error *why)
{
    const char *text;
    if (destination_read_text(writer->L, field->name, &text, why) != 0)
        return writer->configuration ? not_expected(writer, field, why) : -EINVAL;
    if (!*text)
        return not_expected(writer, field, why);
    if (check_reference(writer, field->name, text, why) != 0)
        return writer->configuration ? not_expected(writer, field, why) : -EINVAL;
    *destination_text(to, field) = destination_keep(writer, text);
    return 0;
}

static int read_path(const struct destination_writer *writer, const struct destination_field *field,
                     struct destination *to, struct error *why)
{
    const char *text;
    struct stat status;
    if (destination_read_text(writer->L, field->name, &text, why) != 0)
        return -EINVAL;
    if (*text != '/')
        return not_expected(writer, field, why);
    if (stat(text, &status) == 0 && !S_ISREG(status.st_mode))
        return error_set(why, -EINVAL, "%s: %.200s is not a regular file", field->name, text);
    *destination_text(to, field) = destination_keep(writer, text);
    return 0;
}

/* ---- Numbers ---- */

static int set_number(const struct destination_writer *writer,
                      const struct destination_field *field, double number, struct destination *to,
                      struct error *why)
{
    if (!(number >= field->min && number <= field->max))
        return not_expected(writer, field, why);
    destination_set_number(to, field, (int64_t)number);
    return 0;
}

static double number_of(lua_State *L)
{
    return lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
}

/* "5s", in ms; not a number: it is none. */
static double duration_of(lua_State *L)
{
    const char *end;
    double ms = lua_type(L, -1) == LUA_TSTRING ? duration_read(lua_tostring(L, -1), &end) : -1;
    return ms >= 0 && !*end ? ms : NAN;
}

/* A rule writes seconds; the configuration durations, as all of its options. */
static int read_duration(const struct destination_writer *writer,
                         const struct destination_field *field, struct destination *to,
                         struct error *why)
{
    double ms = number_of(writer->L) * 1000;
    if (writer->configuration && isnan(ms))
        ms = duration_of(writer->L);
    return set_number(writer, field, ms, to, why);
}

static int read_number(const struct destination_writer *writer,
                       const struct destination_field *field, struct destination *to,
                       struct error *why)
{
    double number = number_of(writer->L);
    return set_number(writer, field, number == floor(number) ? number : NAN, to, why);
}

/* "10/s", "600/m", "1000/h" */
static int read_rate(const struct destination_writer *writer, const struct destination_field *field,
                     struct destination *to, struct error *why)
{
    char *end = "";
    const char *text = lua_type(writer->L, -1) == LUA_TSTRING ? lua_tostring(writer->L, -1) : "";
    double count = isdigit((unsigned char)*text) ? strtod(text, &end) : 0;
    double seconds = strcmp(end, "/s") == 0   ? 1
                     : strcmp(end, "/m") == 0 ? 60
                     : strcmp(end, "/h") == 0 ? 3600
                                              : NAN;
    double rate = count / seconds;
    if (!(rate > 0 && rate >= field->min && rate <= field->max))
        return not_expected(writer, field, why);
    to->rate = rate;
    return 0;
}

/* Bytes, or "100 kB", "2.5 MB", "1 MiB". */
static int read_bytes(const struct destination_writer *writer,
                      const struct destination_field *field, struct destination *to,
                      struct error *why)
{
    double bytes = number_of(writer->L);
    if (lua_type(writer->L, -1) == LUA_TSTRING) {
        char *end;
        double number = strtod(lua_tostring(writer->L, -1), &end);
        end += strspn(end, " ");
        for (const struct byte_unit *unit = byte_units; unit->name; unit++)
            if (strcmp(end, unit->name) == 0)
                bytes = number * unit->bytes;
    }
    return set_number(writer, field, bytes, to, why);
}

static int read_durations(const struct destination_writer *writer,
                          const struct destination_field *field, struct destination *to,
                          struct error *why)
{
    lua_State *L = writer->L;
    int64_t pauses[DESTINATION_MAX_ATTEMPTS - 1], *kept;
    size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    if (count == 0 || count > DESTINATION_MAX_ATTEMPTS - 1)
        return writer->configuration
                   ? not_expected(writer, field, why)
                   : error_set(why, -EINVAL, "%s: a list of 1 to %d durations was expected",
                               field->name, DESTINATION_MAX_ATTEMPTS - 1);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        double ms = duration_of(L);
        lua_pop(L, 1);
        if (!(ms >= field->min && ms <= field->max))
            return not_expected(writer, field, why);
        pauses[i] = (int64_t)ms;
    }
    if (!writer->arena)
        return 0;
    kept = arena_alloc(writer->arena, count * sizeof *kept);
    if (!kept)
        luaL_error(L, "not enough memory");
    to->schedule_ms = memcpy(kept, pauses, count * sizeof *kept);
    to->schedule_count = count;
    return 0;
}

/* ---- The table ---- */

static int read_field(const struct destination_writer *writer,
                      const struct destination_field *field, struct destination *to,
                      struct error *why)
{
    switch (field->type) {
    case DESTINATION_URL: return read_url(writer, field, to, why);
    case DESTINATION_TEXT: return read_text(writer, field, to, why);
    case DESTINATION_PATH: return read_path(writer, field, to, why);
    case DESTINATION_HEADERS: return destination_read_headers(writer, to, why);
    case DESTINATION_DURATION: return read_duration(writer, field, to, why);
    case DESTINATION_DURATIONS: return read_durations(writer, field, to, why);
    case DESTINATION_NUMBER: return read_number(writer, field, to, why);
    case DESTINATION_BYTES: return read_bytes(writer, field, to, why);
    case DESTINATION_RATE: return read_rate(writer, field, to, why);
    }
    return -EINVAL;
}

static int unknown_field(lua_State *L, unsigned allowed, struct error *why)
{
    char names[200];
    destination_names(allowed, 0, names, sizeof names);
    return error_set(why, -EINVAL, "a destination has no field '%.40s'; it has %s",
                     lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2),
                     names);
}

/* What an e-mail cannot have: they would be promises that nobody keeps. */
static int check_mail_fields(const struct destination *to, struct error *why)
{
    char names[200];
    for (size_t i = 0; i < DESTINATION_FIELDS; i++) {
        const struct destination_field *field = &destination_fields[i];
        if ((field->allowed & DESTINATION_MAIL) || !destination_has(to, field))
            continue;
        destination_names(DESTINATION_MAIL, 1, names, sizeof names);
        return error_set(why, -EINVAL,
                         "%s: only a URL can have it, '%.80s' is an e-mail address; that has %s",
                         field->name, to->url, names);
    }
    return 0;
}

int destination_read(const struct destination_writer *writer, int index, struct destination *to,
                     struct error *why)
{
    lua_State *L = writer->L;
    unsigned allowed = writer->configuration ? DESTINATION_CONFIGURED : 0;
    *to = (struct destination){0};
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const struct destination_field *field =
            lua_type(L, -2) == LUA_TSTRING ? destination_field(lua_tostring(L, -2)) : NULL;
        if (!field || (field->allowed & allowed) != allowed)
            return unknown_field(L, allowed, why);
        int top = lua_gettop(L);
        if (read_field(writer, field, to, why) != 0)
            return -EINVAL;
        lua_settop(L, top);
    }
    if (!to->url && !writer->profile)
        return not_expected(writer, &destination_fields[0], why);
    return to->url && destination_is_mail(to) ? check_mail_fields(to, why) : 0;
}
