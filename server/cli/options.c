#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "nearest.h"
#include "pretty.h"

#define OPTIONS_MAX 32 /* of one command */
#define HELP        'h'
#define FIRST       256 /* what getopt_long() calls the table's first option */

struct parser {
    struct option options[OPTIONS_MAX + 2];
    char letters[2 * OPTIONS_MAX + 3];
};

/* The table in getopt_long()'s terms. Short forms stand for themselves there. */
static void parser_init(struct parser *parser, const struct cli_option *options)
{
    char *letters = stpcpy(parser->letters, "h");
    size_t i = 0;
    for (; options[i].name; i++) {
        assert(i < OPTIONS_MAX);
        int has_value = options[i].flag ? no_argument : required_argument;
        parser->options[i] = (struct option){options[i].name, has_value, NULL, FIRST + (int)i};
        if (!options[i].letter)
            continue;
        *letters++ = options[i].letter;
        if (has_value == required_argument)
            *letters++ = ':';
    }
    *letters = 0;
    parser->options[i] = (struct option){"help", no_argument, NULL, HELP};
    parser->options[i + 1] = (struct option){0};
}

static const struct cli_option *find(const struct cli_option *options, int code)
{
    if (code >= FIRST)
        return &options[code - FIRST];
    while (options->name && options->letter != code)
        options++;
    return options->name ? options : NULL;
}

static bool read_number(const char *text, int min, int max, int *number)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (!*text || *end || errno != 0 || value < min || value > max)
        return false;
    *number = (int)value;
    return true;
}

/* Returns -1 to go on, else the exit code. */
static int take(const char *command, const struct cli_option *option, void *context,
                const char *value)
{
    char range[60];
    const char *expected = NULL;
    if (option->flag) {
        *option->flag = true;
    } else if (option->text) {
        *option->text = value;
    } else if (option->number) {
        snprintf(range, sizeof range, "a number from %d to %d", option->min, option->max);
        if (!read_number(value, option->min, option->max, option->number))
            expected = range;
    } else {
        expected = option->read(context, value);
    }
    if (!expected)
        return -1;
    fprintf(stderr, "mxhook %s: --%s '%s': %s was expected\nTry: mxhook %s --help\n", command,
            option->name, value, expected, command);
    return CLI_USAGE;
}

/* Of what getopt_long() has said to be wrong: `argument`, and where it is a long option that there is not, which was meant. */
static int wrong_option(const char *command, const char *argument, const struct parser *parser)
{
    const char *meant = NULL;
    bool is_known = optopt != 0; /* only its value is wrong; or a letter, to which all are near */
    if (!is_known && strncmp(argument, "--", 2) == 0) {
        struct nearest_names names = NEAREST_NAMES(parser->options);
        for (names.count = 0; parser->options[names.count].name;)
            names.count++;
        meant = nearest(argument + 2, strcspn(argument + 2, "="), &names);
    }
    nearest_try(command, "--", meant);
    return CLI_USAGE;
}

int cli_options(int argc, char **argv, const char *help, const struct cli_option *options,
                void *context)
{
    struct parser parser;
    int code, exit_code = -1;
    char *command = argv[0], name[80]; /* as getopt_long()'s errors have it */
    snprintf(name, sizeof name, "mxhook %s", command);
    parser_init(&parser, options);
    optind = 1;
    while (exit_code < 0) {
        argv[0] = name;
        code = getopt_long(argc, argv, parser.letters, parser.options, NULL);
        argv[0] = command;
        if (code == -1)
            break;
        const struct cli_option *option = find(options, code);
        if (code == HELP) {
            fputs(help, stdout);
            return CLI_OK;
        }
        if (!option)
            return wrong_option(command, argv[optind - 1], &parser);
        exit_code = take(command, option, context, optarg);
    }
    return exit_code;
}

int cli_operand(int argc, char **argv, const char *name, const char **value)
{
    if (argc - optind == (name ? 1 : 0)) {
        if (name)
            *value = argv[optind];
        return -1;
    }
    if (name)
        fprintf(stderr, "mxhook %s: one %s is expected", argv[0], name);
    else
        fprintf(stderr, "mxhook %s: '%s' is not expected", argv[0], argv[optind]);
    fprintf(stderr, "\nTry: mxhook %s --help\n", argv[0]);
    return CLI_USAGE;
}

bool cli_is_blank(const char *value)
{
    return !value[strspn(value, " \t\r\n")];
}

int cli_fail(const char *command, const struct error *err)
{
    for (const char *line = err->text; *line;) {
        size_t size = strcspn(line, "\n");
        fprintf(stderr, "mxhook %s: ", command);
        pretty_lines(stderr, line, size);
        putc('\n', stderr);
        line += size + (line[size] == '\n');
    }
    return CLI_FAILED;
}
