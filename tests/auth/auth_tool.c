/*
 * auth_tool - checks messages as the server does, without the server.
 *
 * usage: auth_tool RESOLVER-PORT TIMEOUT-MS IP HELO SENDER FILE [COUNT]
 *
 * Prints both header values, and with a COUNT how much CPU and time one check took on average
 * (COUNT checks, one after another).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "auth/auth.h"
#include "auth/policy.h"
#include "base/clock.h"
#include "mail/message.h"
#include "base/spill.h"

static uv_sem_t done;

static void on_done(void *context)
{
    (void)context;
    uv_sem_post(&done);
}

static struct spill *read_file(const char *path)
{
    struct spill *spill = spill_new("/tmp", NULL);
    FILE *file = fopen(path, "rb");
    char buffer[65536];
    size_t got;
    if (!file || !spill)
        abort();
    while ((got = fread(buffer, 1, sizeof buffer, file)) > 0)
        if (spill_write(spill, buffer, got) != 0)
            abort();
    fclose(file);
    return spill;
}

static struct auth_result *check(struct auth *auth, const struct config *config,
                                 const struct envelope *envelope, const struct spill *data)
{
    struct auth_check *c;
    struct auth_result *result = NULL;
    if (auth_begin(auth, config, envelope, &c) != 0)
        abort();
    auth_finish(c, data, on_done, NULL);
    uv_sem_wait(&done);
    int code = auth_conclude(c, &result);
    if (code != 0)
        fprintf(stderr, "auth_conclude: %s\n", strerror(-code));
    auth_check_free(c);
    return result;
}

static int64_t cpu_us(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return ((int64_t)use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec +
           use.ru_stime.tv_usec;
}

/* "zone", or "!zone" to refuse, by spaces. */
static void read_lists(char *text, struct auth_config *config)
{
    static struct dnsbl_zone zones[16];
    config->dnsbl = zones;
    for (char *zone = text ? strtok(text, " ") : NULL; zone; zone = strtok(NULL, " ")) {
        bool refuse = *zone == '!';
        zones[config->dnsbl_count++] = (struct dnsbl_zone){zone + refuse, refuse};
    }
}

static void print_lists(const struct auth_result *result)
{
    for (size_t i = 0; i < result->dnsbl_count; i++) {
        const struct dnsbl_result *list = &result->dnsbl[i];
        printf("dnsbl %s %s", list->zone, list->listed ? "listed" : "not-listed");
        for (size_t j = 0; j < list->code_count; j++)
            printf(" %s", list->codes[j]);
        printf("|%s|%s\n", list->reason ? list->reason : "", list->error ? list->error : "");
    }
}

int main(int argc, char **argv)
{
    struct listen_address resolver = {.host = "127.0.0.1"};
    struct config config = {.hostname = "mx.test"};
    struct error err;
    struct auth *auth;
    if (argc < 7)
        return 2;
    resolver.port = atoi(argv[1]);
    config.auth = (struct auth_config){.spf = !getenv("NO_SPF"),
                                       .dkim = !getenv("NO_DKIM"),
                                       .dmarc = !getenv("NO_DMARC"),
                                       .reverse_name = getenv("REVERSE_NAME"),
                                       .timeout_ms = atoi(argv[2])};
    read_lists(getenv("DNSBL"), &config.auth);
    config.dns = (struct dns_config){.resolvers = &resolver,
                                     .resolver_count = 1,
                                     .query_timeout_ms = 300,
                                     .cache_size = getenv("NO_CACHE") ? 0 : 1 << 20};
    struct envelope envelope = {.sender = argv[5], .helo = argv[4]};
    snprintf(envelope.client_ip, sizeof envelope.client_ip, "%s", argv[3]);
    message_init();
    uv_sem_init(&done, 0);
    if (auth_start(&config.dns, &auth, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct spill *data = read_file(argv[6]);
    struct auth_result *result = check(auth, &config, &envelope, data);
    struct reply reply = {0};
    if (result) {
        bool refused = policy_refuses(&config.auth, &envelope, result, &reply);
        printf("%s\n%s\n%s\n", result->received_spf, result->authentication_results,
               result->refuse ? "refuse" : "take");
        print_lists(result);
        if (refused)
            printf("reply %d %s %s\n", reply.code, reply.enhanced, reply.text);
    }
    auth_result_free(result);
    long count = argc > 7 ? atol(argv[7]) : 0;
    int64_t cpu = cpu_us(), start = clock_monotonic_us();
    for (long i = 0; i < count; i++)
        auth_result_free(check(auth, &config, &envelope, data));
    if (count > 0)
        printf("cpu_us=%.1f time_us=%.1f\n", (double)(cpu_us() - cpu) / (double)count,
               (double)(clock_monotonic_us() - start) / (double)count);
    spill_free(data);
    auth_stop(auth);
    return result ? 0 : 1;
}
