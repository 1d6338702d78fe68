/*
 * spf_tool - SPF checks with answers from its input, so that spf_suite.py can feed it zones.
 *
 *   zone                       forgets all records
 *   rr NAME TYPE VALUE         one record: an address, a name, or a text in hexadecimal digits
 *   fail NAME TYPE             a look-up that times out
 *   check IP HELO SENDER       (in hexadecimal digits; "-" is the null sender)
 *
 * A check prints its result, how many look-ups it took, and its explanation and reason, by tabs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/spf.h"

#define LINE_LIMIT 200000

struct zone_record {
    char name[300];
    enum record_type type;
    bool fails;
    struct record record;
};

static struct zone_record *zone;
static size_t zone_count;

static void *checked(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static char *from_hex(const char *hex, size_t *size)
{
    char *out = checked(calloc(1, strlen(hex) / 2 + 1));
    for (*size = 0; hex[2 * *size] && hex[2 * *size + 1]; ++*size) {
        char digits[3] = {hex[2 * *size], hex[2 * *size + 1], 0};
        out[*size] = (char)strtol(digits, NULL, 16);
    }
    return out;
}

static enum record_type type_of(const char *name)
{
    static const struct {
        const char *name;
        enum record_type type;
    } types[] = {{"A", RECORD_A},
                 {"AAAA", RECORD_AAAA},
                 {"MX", RECORD_MX},
                 {"PTR", RECORD_PTR},
                 {"TXT", RECORD_TXT}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    abort();
}

static void add(const char *name, const char *type, const char *value)
{
    zone = checked(realloc(zone, (zone_count + 1) * sizeof *zone));
    struct zone_record *r = &zone[zone_count++];
    *r = (struct zone_record){.type = type_of(type), .fails = value == NULL};
    snprintf(r->name, sizeof r->name, "%s", name);
    if (!value)
        return;
    char *data = checked(calloc(1, strlen(value) + 16));
    if (r->type == RECORD_A || r->type == RECORD_AAAA) {
        bool six = r->type == RECORD_AAAA;
        if (inet_pton(six ? AF_INET6 : AF_INET, value, data) != 1)
            abort();
        r->record = (struct record){six ? 16 : 4, data};
    } else if (r->type == RECORD_TXT) {
        size_t size;
        free(data);
        data = from_hex(value, &size);
        r->record = (struct record){size, data};
    } else {
        strcpy(data, value);
        r->record = (struct record){strlen(data), data};
    }
}

static void forget(void)
{
    for (size_t i = 0; i < zone_count; i++)
        free((void *)zone[i].record.data);
    zone_count = 0;
}

static struct dns_answer *answer_for(const struct lookup *lookup)
{
    struct record *records = checked(calloc(zone_count + 1, sizeof *records));
    struct dns_answer *answer = NULL;
    size_t count = 0;
    for (size_t i = 0; i < zone_count && !answer; i++) {
        if (zone[i].type != lookup->type || strcasecmp(zone[i].name, lookup->name) != 0)
            continue;
        if (zone[i].fails)
            answer = checked(dns_answer_empty(DNS_FAILED, 0));
        else
            records[count++] = zone[i].record;
    }
    if (!answer)
        answer = checked(dns_answer_make(records, count, 60));
    free(records);
    return answer;
}

static void check(const char *ip, const char *helo_hex, const char *sender_hex)
{
    size_t size;
    char *helo = from_hex(helo_hex, &size), *sender = from_hex(sender_hex, &size);
    if (strcmp(sender_hex, "-") == 0)
        *sender = 0;
    struct spf_query query = {ip, helo, sender, "receiver.example"};
    struct lookups lookups = {0};
    struct spf_result result;
    int code;
    do {
        struct arena *arena = checked(arena_new());
        code = spf_check(&query, &lookups, arena, &result);
        for (size_t i = 0; i < lookups.count; i++)
            if (!lookups.items[i].answer)
                lookups.items[i].answer = answer_for(&lookups.items[i]);
        if (code == 0)
            printf("%s\t%zu\t%s\t%s\n", auth_code_name(result.code), lookups.count,
                   result.explanation ? result.explanation : "",
                   result.reason ? result.reason : "");
        arena_free(arena);
    } while (code == -EAGAIN);
    if (code != 0)
        printf("error\t%d\t\t%s\n", code, strerror(-code));
    fflush(stdout);
    lookups_free(&lookups);
    free(helo);
    free(sender);
}

int main(void)
{
    static char line[LINE_LIMIT];
    while (fgets(line, sizeof line, stdin)) {
        char *word[4] = {NULL};
        size_t count = 0;
        for (char *w = strtok(line, " \n"); w && count < 4; w = strtok(NULL, " \n"))
            word[count++] = w;
        if (count == 4 && strcmp(word[0], "rr") == 0)
            add(word[1], word[2], word[3]);
        else if (count == 3 && strcmp(word[0], "rr") == 0)
            add(word[1], word[2], "");
        else if (count == 3 && strcmp(word[0], "fail") == 0)
            add(word[1], word[2], NULL);
        else if (count == 4 && strcmp(word[0], "check") == 0)
            check(word[1], word[2], word[3]);
        else if (count == 1)
            forget();
    }
    forget();
    free(zone);
    return 0;
}
