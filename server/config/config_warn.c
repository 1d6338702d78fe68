/* What a configuration says that works, but hardly as it was meant. */
#include <inttypes.h>
#include <stdio.h>

#include "config.h"

#define TEXT_SIZE 400

static void check_limit(const struct config *config, const char *option, const char *of,
                        uint64_t max_body, void (*warn)(void *context, const char *text),
                        void *context)
{
    char text[TEXT_SIZE];
    if (max_body == 0 || max_body >= config->rules.largest_payload)
        return;
    snprintf(text, sizeof text,
             "%s%s: max_body is %" PRIu64
             " bytes, less than what the largest message makes (%" PRIu64
             ", smtp.max_size * 1.4): such a one would fail, unsent",
             option, of, max_body, config->rules.largest_payload);
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
}
