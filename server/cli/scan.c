#include "rules.h"

#include <uv.h>

#include "../scan/scan.h"

static void on_done(void *context, struct scan_result *result)
{
    *(struct scan_result **)context = result;
}

struct scan_result *cli_scan(const struct config *config, const struct transaction *transaction)
{
    struct scan_result *result = NULL;
    struct scan *scan = NULL;
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0)
        return scan_result_failed();
    if (scan_new(&loop, &scan) == 0 &&
        scan_start(scan, config, transaction, transaction->envelope.client_name, on_done,
                   &result) == 0)
        while (!result && uv_run(&loop, UV_RUN_ONCE))
            ;
    scan_free(scan);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return result ? result : scan_result_failed();
}
