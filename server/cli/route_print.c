#include "route_print.h"

#include <stdio.h>
#include <string.h>

#include "../base/redact.h"
#include "../config/destination_fields.h"
#include "../mail/json.h"
#include "cli.h"
#include "pretty.h"
#include "rules.h"

bool route_has_field(const struct header_list *list, const struct header *field)
{
    for (size_t i = header_list_find(list, field->name, 0); i < list->count;
         i = header_list_find(list, field->name, i + 1))
        if (list->items[i].value_size == field->value_size &&
            memcmp(list->items[i].value, field->value, field->value_size) == 0)
            return true;
    return false;
}

static void print_missing(char sign, const struct header_list *of, const struct header_list *in)
{
    for (size_t i = 0; i < of->count; i++) {
        if (route_has_field(in, &of->items[i]))
            continue;
        printf("  %c ", sign);
        pretty_text(of->items[i].name);
        fputs(": ", stdout);
        pretty_text(of->items[i].value);
        putchar('\n');
    }
}

static void print_destination(const struct destination *to)
{
    fputs("  -> ", stdout);
    pretty_url(to->url);
    puts(to->secret ? "  (signed)" : "");
}

static void print_reply(const struct trial *trial)
{
    const struct reply *reply = trial_reply(trial);
    printf("  => %d %s ", reply->code, reply->enhanced);
    pretty_text(reply->text);
    puts(trial->verdict->kind == VERDICT_DISCARD ? "  (dropped)" : "");
}

void route_print_text(const struct trial *trial)
{
    const struct verdict *verdict = trial->verdict;
    pretty_text(trial_recipient(trial));
    putchar('\n');
    for (const struct trial_step *step = trial->steps; step; step = step->next) {
        printf("    %-28s ", step->rule);
        pretty_text(step->answer);
        putchar('\n');
    }
    for (size_t i = 0; verdict->kind == VERDICT_DELIVER && i < verdict->destination_count; i++)
        print_destination(&verdict->destinations[i]);
    if (verdict->kind != VERDICT_DELIVER)
        print_reply(trial);
    print_missing('-', &trial->before, &verdict->headers);
    print_missing('+', &verdict->headers, &trial->before);
}

/* Without user and password, which the output of a CI would show to all. */
static void write_url(struct json *json, const char *url)
{
    char text[DESTINATION_MAX_URL + 1];
    const char *rest;
    int before = (int)redact_userinfo(url, &rest);
    snprintf(text, sizeof text, "%.*s%s", before, url, rest);
    json_text(json, text);
}

static void write_verdict(struct json *json, const struct trial *trial)
{
    const struct verdict *verdict = trial->verdict;
    const struct reply *reply = trial_reply(trial);
    json_pair(json, "recipient", trial_recipient(trial));
    json_pair(json, "rule", *verdict->rule ? verdict->rule : NULL);
    json_pair_number(json, "code", reply->code);
    json_pair(json, "enhanced", reply->enhanced);
    json_pair(json, "text", reply->text);
    json_key(json, "destinations");
    json_begin_array(json);
    for (size_t i = 0; verdict->kind == VERDICT_DELIVER && i < verdict->destination_count; i++)
        write_url(json, verdict->destinations[i].url);
    json_end_array(json);
    json_key(json, "headers");
    json_begin_array(json);
    for (size_t i = 0; i < verdict->headers.count; i++) {
        json_begin_array(json);
        json_text(json, verdict->headers.items[i].name);
        json_string(json, verdict->headers.items[i].value, verdict->headers.items[i].value_size);
        json_end_array(json);
    }
    json_end_array(json);
}

int route_print_json(const struct trial *trial)
{
    struct spill *out = spill_new(spill_temporary_directory(), NULL);
    struct json json;
    if (!out)
        return CLI_FAILED;
    json_init(&json, out);
    json_begin_object(&json);
    write_verdict(&json, trial);
    json_key(&json, "rules");
    json_begin_array(&json);
    for (const struct trial_step *step = trial->steps; step; step = step->next) {
        json_begin_object(&json);
        json_pair(&json, "rule", step->rule);
        json_pair(&json, "answer", step->answer);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    int status = json_finish(&json);
    if (status == 0)
        status = cli_print_spill(out);
    spill_free(out);
    return status == 0 ? CLI_OK : CLI_FAILED;
}
