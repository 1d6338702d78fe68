/* What all commands do that look into the spool. */
#include <string.h>

#include "../spool/queue.h"
#include "cli.h"

int cli_with_queue(const char *command, const char *config_path,
                   int (*act)(struct queue *queue, const struct config *config, void *context,
                              struct error *err),
                   void *context)
{
    struct config *config;
    struct queue *queue = NULL;
    struct error err = {""};
    if (config_load(config_path, &config, &err) != 0)
        return cli_fail(command, &err);
    int code = queue_open(&config->spool, &queue, &err);
    if (code == 0)
        code = act(queue, config, context, &err);
    queue_close(queue);
    config_unref(config);
    if (code != 0 && !*err.text)
        error_set(&err, code, "%s", strerror(-code));
    return code == 0 ? CLI_OK : cli_fail(command, &err);
}
