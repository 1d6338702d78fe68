/* The load generator's options, loop and report; see load.h. */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define TICK_MS     20
#define ADDRESS_MAX 254 /* RFC 5321: of a whole address */

static const char help[] =
    "Usage: load --port PORT[,PORT] --file FILE.eml [OPTION]...\n"
    "Sends messages by SMTP, many at once, and prints what came of it as a line of JSON.\n\n"
    "      --host ADDRESS       IPv4 (default: 127.0.0.1)\n"
    "  -p, --port PORT[,PORT]   connections go to them in turns\n"
    "  -f, --file FILE          what is sent, without Message-ID; given several times, they take "
    "turns\n"
    "  -n, --messages COUNT     in all (default: 1000)\n"
    "  -c, --sessions COUNT     at once (default: 50)\n"
    "  -k, --per-session COUNT  messages of a session (default: 10)\n"
    "      --pipelining         MAIL, RCPT and DATA in one write (RFC 2920)\n"
    "      --tls HOW            starttls or implicit; no certificate is verified\n"
    "      --sender ADDRESS     (default: sender@bench.example)\n"
    "      --recipient ADDRESS  (default: hook@bench.example)\n"
    "      --run HEX            of the Message-IDs, BENCH-RUN-NUMBER@bench.example\n"
    "      --acknowledged FILE  writes the number of each message that was answered 250\n"
    "      --retry MS           sends again what was deferred or whose connection broke, after "
    "this\n"
    "      --deadline SECONDS   ends then, whatever is left (default: 300)\n"
    "  -h, --help               this text\n";

double load_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

long load_take(struct load *load)
{
    double now = load_now();
    for (long i = 0; i < load->retry_count; i++) {
        if (load->retries[i].due > now)
            continue;
        long number = load->retries[i].number;
        load->retries[i] = load->retries[--load->retry_count];
        return number;
    }
    return load->next < load->messages ? load->next++ : -1;
}

void load_acknowledge(struct load *load, long number, double seconds)
{
    load->latencies[load->taken++] = seconds;
    if (load->acknowledged)
        fprintf(load->acknowledged, "%ld\n", number);
}

void load_fail(struct load *load, long number, bool permanent)
{
    if (permanent || load->retry_ms < 0)
        load->failed++;
    else
        load->retries[load->retry_count++] =
            (struct load_retry){number, load_now() + load->retry_ms / 1e3};
}

static void quit(const char *what, const char *why)
{
    fprintf(stderr, "load: %s: %s\n", what, why);
    exit(2);
}

/* As DATA has it (RFC 5321 section 4.5.2). */
static void read_mail(struct load *load, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        quit(path, "cannot be read");
    long size = ftell(file);
    rewind(file);
    char *raw = malloc((size_t)size + 1), *text = malloc(2 * (size_t)size + 8), *at = text;
    if (!raw || !text || fread(raw, 1, (size_t)size, file) != (size_t)size)
        quit(path, "cannot be read");
    bool begins = true; /* a line */
    for (long i = 0; i < size; i++) {
        if (raw[i] == '\r' && i + 1 < size && raw[i + 1] == '\n')
            continue;
        if (begins && raw[i] == '.')
            *at++ = '.';
        if (raw[i] == '\n')
            *at++ = '\r';
        *at++ = raw[i];
        begins = raw[i] == '\n';
    }
    at = stpcpy(at, begins ? ".\r\n" : "\r\n.\r\n");
    free(raw);
    fclose(file);
    load->mails = realloc(load->mails, (load->mail_count + 1) * sizeof *load->mails);
    if (!load->mails)
        quit(path, "out of memory");
    load->mails[load->mail_count++] = (struct load_mail){text, (size_t)(at - text)};
}

static long number(const char *text, long min, long max)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (!*text || *end || value < min || value > max)
        quit(text, "expected a number within its limits");
    return value;
}

static void read_ports(struct load *load, const char *list)
{
    char text[16 * LOAD_PORTS], *rest = text;
    if ((size_t)snprintf(text, sizeof text, "%s", list) >= sizeof text)
        quit(list, "too many ports");
    for (char *one; (one = strsep(&rest, ","));) {
        if (load->port_count == LOAD_PORTS)
            quit(list, "too many ports");
        load->ports[load->port_count++] = (int)number(one, 1, 65535);
    }
}

static void read_tls(struct load *load, const char *how)
{
    load->tls = !strcmp(how, "starttls") ? LOAD_STARTTLS : LOAD_IMPLICIT;
    if (load->tls == LOAD_IMPLICIT && strcmp(how, "implicit") != 0)
        quit(how, "expected starttls or implicit");
    load->ssl = SSL_CTX_new(TLS_client_method());
    if (!load->ssl)
        quit(how, "no TLS");
    SSL_CTX_set_mode(load->ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static const char *address(const char *text)
{
    if (strlen(text) > ADDRESS_MAX)
        quit(text, "is no address");
    return text;
}

enum { HOST = 256, PIPELINING, TLS, SENDER, RECIPIENT, RUN, ACKNOWLEDGED, RETRY, DEADLINE };

static void take_option(struct load *load, int option, const char *value)
{
    struct in_addr unused;
    switch (option) {
    case HOST: load->host = value; break;
    case 'p': read_ports(load, value); break;
    case 'f': read_mail(load, value); break;
    case 'n': load->messages = number(value, 1, 99999999); break;
    case 'c': load->sessions = (int)number(value, 1, 60000); break;
    case 'k': load->per_session = (int)number(value, 1, 1000000); break;
    case PIPELINING: load->pipelining = true; break;
    case TLS: read_tls(load, value); break;
    case SENDER: load->sender = address(value); break;
    case RECIPIENT: load->recipient = address(value); break;
    case RUN: load->run = (unsigned)strtoul(value, NULL, 16); break;
    case ACKNOWLEDGED:
        if (!(load->acknowledged = fopen(value, "we")))
            quit(value, "cannot be written");
        break;
    case RETRY: load->retry_ms = (int)number(value, 0, 3600000); break;
    case DEADLINE: load->deadline = (double)number(value, 1, 86400); break;
    case 'h': fputs(help, stdout); exit(0);
    default: fputs(help, stderr); exit(2);
    }
    if (option == HOST && inet_pton(AF_INET, value, &unused) != 1)
        quit(value, "is no IPv4 address");
}

static void read_options(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {{"host", 1, NULL, HOST},
                                            {"port", 1, NULL, 'p'},
                                            {"file", 1, NULL, 'f'},
                                            {"messages", 1, NULL, 'n'},
                                            {"sessions", 1, NULL, 'c'},
                                            {"per-session", 1, NULL, 'k'},
                                            {"pipelining", 0, NULL, PIPELINING},
                                            {"tls", 1, NULL, TLS},
                                            {"sender", 1, NULL, SENDER},
                                            {"recipient", 1, NULL, RECIPIENT},
                                            {"run", 1, NULL, RUN},
                                            {"acknowledged", 1, NULL, ACKNOWLEDGED},
                                            {"retry", 1, NULL, RETRY},
                                            {"deadline", 1, NULL, DEADLINE},
                                            {"help", 0, NULL, 'h'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "p:f:n:c:k:h", options, NULL)) != -1)
        take_option(load, option, optarg);
    if (optind < argc || load->port_count == 0 || load->mail_count == 0)
        take_option(load, '?', NULL);
    if (load->sessions > load->messages)
        load->sessions = (int)load->messages;
    load->retries = calloc((size_t)load->messages, sizeof *load->retries);
    load->latencies = calloc((size_t)load->messages, sizeof *load->latencies);
    if (!load->retries || !load->latencies)
        quit("messages", "out of memory");
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(const struct load *load, double share)
{
    return load->taken > 0 ? 1e3 * load->latencies[(long)((double)(load->taken - 1) * share)] : 0;
}

/* `begin` and `end` count as CLOCK_MONOTONIC does, so that the receiver's times compare with them. */
static void report(struct load *load, double begin, double end)
{
    qsort(load->latencies, (size_t)load->taken, sizeof *load->latencies, ascending);
    for (char *at = load->last_error; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            *at = ' ';
    printf("{\"begin\":%.6f,\"end\":%.6f,\"messages\":%ld,\"acknowledged\":%ld,\"failed\":%ld,"
           "\"unsent\":%ld,\"connections\":%ld,\"latency_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%."
           "3f},"
           "\"last_error\":\"%s\"}\n",
           begin, end, load->messages, load->taken, load->failed,
           load->messages - load->taken - load->failed, load->connections, quantile_ms(load, .5),
           quantile_ms(load, .99), quantile_ms(load, 1), load->last_error);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct load load = {.host = "127.0.0.1",
                        .sender = "sender@bench.example",
                        .recipient = "hook@bench.example",
                        .messages = 1000,
                        .sessions = 50,
                        .per_session = 10,
                        .retry_ms = -1,
                        .deadline = 300,
                        .run = (unsigned)time(NULL)};
    read_options(&load, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct session *sessions = sessions_new(&load);
    if (load.epoll < 0 || !sessions)
        quit("sessions", "out of memory");
    double begin = load_now();
    while (load_now() < begin + load.deadline && load.taken + load.failed < load.messages &&
           sessions_run(sessions, &load)) {
        struct epoll_event events[256];
        int count = epoll_wait(load.epoll, events, 256, TICK_MS);
        for (int i = 0; i < count; i++)
            session_ready(events[i].data.ptr, events[i].events);
    }
    report(&load, begin, load_now());
    sessions_free(sessions, &load);
    if (load.acknowledged && fclose(load.acknowledged) != 0)
        quit("acknowledged", "cannot be written");
    return load.taken == load.messages ? 0 : 1;
}
