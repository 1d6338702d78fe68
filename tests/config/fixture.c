#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"

struct error config_err;
static char path[] = "/tmp/mxhook-config-XXXXXX";

int config_load_text(const char *text, struct config **config)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    config_err.text[0] = 0;
    return config_load(path, config, &config_err);
}

void assert_config_error(const char *text, const char *expected)
{
    struct config *config;
    char full[2048];
    assert_int_equal(config_load_text(text, &config), -EINVAL);
    snprintf(full, sizeof full, "%s:%s", path, expected);
    assert_string_equal(config_err.text, full);
}

struct config *config_loaded(const char *text)
{
    struct config *config = NULL;
    if (config_load_text(text, &config) != 0)
        fail_msg("%s", config_err.text);
    return config;
}

/* A configuration's line, which is taken or refused with these words. */
void assert_config_line(const char *line, const char *refused_with)
{
    char text[2048];
    struct config *config = NULL;
    snprintf(text, sizeof text, "domains = { 'a.example' }\n%s", line);
    int code = config_load_text(text, &config);
    if (!refused_with && code != 0)
        fail_msg("%s: %s", line, config_err.text);
    if (refused_with && (code != -EINVAL || !strstr(config_err.text, refused_with)))
        fail_msg("%s: '%s' is not in: %s", line, refused_with, config_err.text);
    config_unref(config);
}

int make_config(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

int remove_config(void **state)
{
    (void)state;
    return unlink(path);
}
