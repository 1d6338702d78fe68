/* What a configuration says that works, but hardly as it was meant. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define TEXT_SIZE 800

static void check_limit(const struct config *config, const char *option, const char *of,
                        uint64_t max_body, void (*warn)(void *context, const char *text),
                        void *context)
{
    char text[TEXT_SIZE];
    if (max_body == 0 || max_body >= config->rules.largest_payload)
        return;
    snprintf(text, sizeof text,
             "%s: %s%s: max_body is %" PRIu64
             " bytes, less than what the largest message makes (%" PRIu64
             ", smtp.max_size * 1.4): such a one would fail, unsent",
             config->path, option, of, max_body, config->rules.largest_payload);
    warn(context, text);
}

/* Whoever needs it waits until it is there: nothing else would say so before the first mail does. */
static void check_variable(const struct config *config, const struct config_reference *reference,
                           void (*warn)(void *context, const char *text), void *context)
{
    static const char env[] = "env:";
    char text[TEXT_SIZE];
    if (strncmp(reference->text, env, sizeof env - 1) != 0)
        return;
    const char *name = reference->text + sizeof env - 1, *value = getenv(name);
    if (value && *value)
        return;
    snprintf(text, sizeof text,
             "%s:%d: %s: %.100s is %s here%.100s: the server needs it in its environment "
             "(systemctl edit "
             "mxhook: [Service], EnvironmentFile=FILE with %.100s=... in it)",
             config->path, reference->line, reference->option, reference->text,
             value ? "empty" : "not set", value ? "" : reference->meant, name);
    warn(context, text);
}

void config_warn(const struct config *config, void (*warn)(void *context, const char *text),
                 void *context)
{
    const struct rules_config *rules = &config->rules;
    check_limit(config, "deliver", "", config->deliver.max_body, warn, context);
    for (size_t i = 0; i < rules->profile_count; i++)
        check_limit(config, "profiles.", rules->profiles[i].name, rules->profiles[i].to.max_body,
                    warn, context);
    for (size_t i = 0; i < config->reference_count; i++)
        check_variable(config, &config->references[i], warn, context);
}
