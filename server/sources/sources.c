#include "sources.h"

#include "kinds.h"

int sources_configure(const struct config *config, struct error *err)
{
    static const struct source_kind *const kinds[] = {
        [LOOKUP_HTTP] = &source_http, [LOOKUP_POSTGRES] = &source_postgres};
    return lookup_configure(config, kinds, err);
}
