#include "elsewhere.h"

#include <string.h>
#include <strings.h>

#include "../base/redact.h"

bool history_is_for(const struct history_delivery *d, const char *recipient)
{
    return strcasecmp(d->recipient ? d->recipient : "", recipient) == 0;
}

static bool went_to(const struct history_message *m, const char *recipient, const char *url)
{
    char shown[REDACT_SIZE];
    redact_url(url, shown);
    for (size_t i = 0; i < m->delivery_count; i++)
        if (history_is_for(&m->deliveries[i], recipient) &&
            (strcmp(m->deliveries[i].destination, shown) == 0 ||
             strcmp(m->deliveries[i].destination, url) == 0))
            return true;
    return false;
}

bool history_goes_elsewhere(const struct history_message *m, const char *recipient,
                            const struct verdict *v)
{
    size_t same = 0, before = 0;
    for (size_t i = 0; i < v->destination_count; i++)
        same += went_to(m, recipient, v->destinations[i].url);
    for (size_t i = 0; i < m->delivery_count; i++)
        before += history_is_for(&m->deliveries[i], recipient);
    return same != v->destination_count || same != before;
}

void history_json_elsewhere(struct json *json, const struct history_message *m,
                            const char *recipient, const struct verdict *v)
{
    json_pair(json, "id", m->id);
    json_pair(json, "recipient", recipient);
    json_pair(json, "verdict", verdict_name(v->kind));
    json_pair(json, "rule", *v->rule ? v->rule : NULL);
    json_key(json, "before");
    json_begin_array(json);
    for (size_t i = 0; i < m->delivery_count; i++)
        if (history_is_for(&m->deliveries[i], recipient))
            json_text(json, m->deliveries[i].destination);
    json_end_array(json);
}
