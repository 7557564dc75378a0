#define _GNU_SOURCE
#include "hook.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]))
        text[--length] = 0;
    return text;
}

static void read_setting(struct settings *settings, char *line, int number)
{
    char *key = trim(line), *equals = strchr(key, '=');
    if (*key == 0 || *key == '#')
        return;
    char *value = equals ? trim(equals + 1) : NULL;
    if (equals)
        *equals = 0;
    key = trim(key);
    char *target = !strcmp(key, "runtime") ? settings->runtime : !strcmp(key, "socket") ? settings->socket : NULL;
    size_t room = target == settings->runtime ? sizeof(settings->runtime) : sizeof(settings->socket);
    if (!target || !value || *value != '/' || strlen(value) >= room)
        snprintf(settings->problem, sizeof(settings->problem),
                 "line %d is neither \"runtime = /PATH\" nor \"socket = /PATH\" (of at most %zu bytes)", number, room - 1);
    else
        strcpy(target, value);
}

/* A broken file must not keep running containers from being stopped, so it is a problem for those that create only. */
void read_settings(struct settings *settings, char *file, size_t room)
{
    static char text[CONF_LIMIT];
    strcpy(settings->runtime, "/usr/bin/runc");
    strcpy(settings->socket, "/run/nri-userns/shim.sock");
    ssize_t length = readlink("/proc/self/exe", file, room - sizeof(".conf"));
    if (length < 0) {
        snprintf(settings->problem, sizeof(settings->problem), "/proc/self/exe can't be read: %s", strerror(errno));
        return;
    }
    strcpy(file + length, ".conf");
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            snprintf(settings->problem, sizeof(settings->problem), "it can't be opened: %s", strerror(errno));
        return;
    }
    struct stat status;
    length = read(fd, text, sizeof(text) - 1);
    if (length < 0 || fstat(fd, &status) < 0)
        snprintf(settings->problem, sizeof(settings->problem), "it can't be read: %s", strerror(errno));
    else if (status.st_uid != 0 || (status.st_mode & 022))
        snprintf(settings->problem, sizeof(settings->problem), "others than root can write it");
    else if (status.st_size >= (off_t)sizeof(text))
        snprintf(settings->problem, sizeof(settings->problem), "it is longer than %zu bytes", sizeof(text) - 1);
    close(fd);
    if (settings->problem[0])
        return;
    int number = 0;
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")))
        read_setting(settings, line, ++number);
}
