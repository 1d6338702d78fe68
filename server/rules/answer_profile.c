/* answer_profile.c - destinations that name a profile of the configuration: "crm:https://...". */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "../config/config.h"
#include "answer_destination.h"
#include "state.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static bool is_url(const char *text)
{
    return strncasecmp(text, "https://", 8) == 0 || strncasecmp(text, "http://", 7) == 0;
}

/* "crm:https://...": it looks like one. */
static size_t name_size(const char *text)
{
    size_t size = strspn(text, NAME_CHARACTERS);
    return text[size] == ':' && is_url(text + size + 1) ? size : 0;
}

int answer_check_named(const struct rules_config *config, const char *text, size_t size,
                       struct error *why)
{
    const char *rest = text;
    size_t name = strlen(text) == size ? name_size(text) : 0;
    if (name == 0)
        return answer_check_target(text, size, why);
    if (config && profile_named(config->profiles, config->profile_count, text, &rest))
        return answer_check_target(rest, size - (size_t)(rest - text), why);
    return error_set(why, -EINVAL, "'%.*s': the configuration has no profile of that name",
                     name > 60 ? 60 : (int)name, text);
}

/* Those whose name the destination has not. */
static void add_headers(lua_State *L, struct destination *to, const struct destination *profile,
                        struct arena *arena)
{
    size_t own = to->header_count;
    const char **headers = arena_alloc(arena, (own + profile->header_count + 1) * sizeof *headers);
    if (!headers)
        luaL_error(L, "not enough memory");
    for (size_t i = 0; i < own; i++)
        headers[i] = to->headers[i];
    for (size_t i = 0; i < profile->header_count; i++) {
        size_t size = strcspn(profile->headers[i], ":="), j = 0;
        while (j < own && (strncasecmp(headers[j], profile->headers[i], size) != 0 ||
                           strcspn(headers[j], ":=") != size))
            j++;
        if (j == own)
            headers[to->header_count++] = profile->headers[i];
    }
    to->headers = headers;
}

void answer_add_profile(lua_State *L, struct destination *to, struct verdict *verdict)
{
    const struct rules_config *config = state_of(L)->config;
    struct destination copy;
    const char *rest;
    const struct profile *profile =
        config ? profile_named(config->profiles, config->profile_count, to->url, &rest) : NULL;
    if (!profile)
        return;
    to->url = rest;
    if (!verdict)
        return;
    if (destination_copy(verdict->arena, &profile->to, &copy) != 0)
        luaL_error(L, "not enough memory");
    to->secret = to->secret ? to->secret : copy.secret;
    to->timeout_ms = to->timeout_ms ? to->timeout_ms : copy.timeout_ms;
    to->attempts = to->attempts ? to->attempts : copy.attempts;
    to->max_body = to->max_body ? to->max_body : copy.max_body;
    if (to->schedule_count == 0) {
        to->schedule_ms = copy.schedule_ms;
        to->schedule_count = copy.schedule_count;
    }
    add_headers(L, to, &copy, verdict->arena);
}
