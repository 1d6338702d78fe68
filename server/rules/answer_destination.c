/* answer_destination.c - one destination, as a rule wrote it. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "../config/destination_read.h"
#include "answer.h"
#include "state.h"

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

static int check_url(const struct destination_writer *writer, const char *text, size_t size,
                     struct error *why)
{
    return answer_check_named(state_of(writer->L)->config, text, size, why);
}

static int read_text(const struct destination_writer *writer, int index, struct destination *to,
                     struct error *why)
{
    size_t size;
    const char *text = lua_tolstring(writer->L, index, &size);
    *to = (struct destination){0};
    if (strcasecmp(text, "null") == 0)
        return 1;
    if (strlen(text) != size)
        return error_set(why, -EINVAL, "a destination that holds NUL");
    if (check_url(writer, text, size, why) != 0)
        return -EINVAL;
    to->url = destination_keep(writer, text);
    return 0;
}

int answer_read_destination(lua_State *L, int index, struct verdict *verdict, struct error *why)
{
    const struct destination_writer rule = {.arena = verdict ? verdict->arena : NULL,
                                            .L = L,
                                            .check_url = check_url,
                                            .check_env = answer_check_env,
                                            .check_file = answer_check_secret_file};
    struct destination to;
    int code = lua_istable(L, index) ? destination_read(&rule, index, &to, why)
                                     : read_text(&rule, index, &to, why);
    if (code != 0)
        return code;
    answer_add_profile(L, &to, verdict);
    if (verdict)
        keep_destination(L, verdict, &to);
    return 0;
}
