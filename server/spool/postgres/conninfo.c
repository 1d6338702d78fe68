#include "conninfo.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <string.h>

static bool names_file(const char *keyword)
{
    static const char *const keywords[] = {"passfile", "sslrootcert", "sslcert",
                                           "sslkey",   "sslcrl",      "sslcrldir"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(keyword, keywords[i]) == 0)
            return true;
    return false;
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val;
    return NULL;
}

int conninfo_visit_files(const char *conninfo,
                         int (*each)(void *context, const char *option, const char *file),
                         void *context, const char *option)
{
    PQconninfoOption *given = PQconninfoParse(conninfo, NULL), *defaults = PQconndefaults();
    int code = 0;
    for (const PQconninfoOption *o = given; o && o->keyword && code == 0; o++) {
        const char *file = o->val ? o->val : value_of(defaults, o->keyword);
        if (file && names_file(o->keyword) && strchr(file, '/')) /* "system" is none */
            code = each(context, option, file);
    }
    PQconninfoFree(defaults);
    PQconninfoFree(given);
    return code;
}
