#include "sources.h"

#include <curl/curl.h>
#include <errno.h>

#include "kinds.h"

int sources_configure(const struct config *config, struct error *err)
{
    static const struct source_kind *const kinds[] = {
        [LOOKUP_HTTP] = &source_http, [LOOKUP_POSTGRES] = &source_postgres};
    /* Here and not by the room's thread: OpenSSL does not free what it keeps for the thread that begins it. */
    if (config->lookup_count > 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, -ENOMEM, "lookups: out of memory");
    return lookup_configure(config, kinds, err);
}
