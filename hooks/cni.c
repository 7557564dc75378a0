/* The CNI plugin: see main.c, and the CNI specification 1.1.0, section 2. */
#define _GNU_SOURCE
#include "hook.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TRY_AGAIN_LATER = 11, NOT_AVAILABLE = 50 };

static const char VERSIONS[] = "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";

static int error_code = TRY_AGAIN_LATER;

static void report(const char *sentence)
{
    static char escaped[MESSAGE_LIMIT], line[sizeof(escaped) + 128];
    json_escape(escaped, sizeof(escaped), sentence);
    int length = snprintf(line, sizeof(line), "{\"cniVersion\":\"1.0.0\",\"code\":%d,\"msg\":\"%s\"}\n", error_code, escaped);
    write_all(STDOUT_FILENO, line, (size_t)length);
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static void read_configuration(char *text, size_t room)
{
    size_t length = 0;
    for (;;) {
        ssize_t got = read(STDIN_FILENO, text + length, room - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            fail("the configuration can't be read from stdin: %s", strerror(errno));
        if (got == 0)
            break;
        length += (size_t)got;
        if (length == room)
            fail("the configuration on stdin is longer than %zu bytes", room - 1);
    }
    text[length] = 0;
    if (strlen(text) != length)
        fail("the configuration on stdin is not JSON: it holds a zero byte");
}

/* Pods can be removed while the daemon is away: it frees what they had when it comes back. */
static bool is_daemon_away(const char *path)
{
    int fd = connect_daemon(path, SOCK_CLOEXEC);
    if (fd < 0)
        return errno != EAGAIN;
    close(fd);
    return false;
}

int run_cni(const struct settings *settings, const char *conf)
{
    static char configuration[MESSAGE_LIMIT - 8192];
    role = (struct role){.report = report, .lost = "the pod's network"};
    const char *command = variable("CNI_COMMAND");
    if (!strcmp(command, "VERSION")) {
        write_all(STDOUT_FILENO, VERSIONS, sizeof(VERSIONS) - 1);
        return 0;
    }
    if (!strcmp(command, "STATUS"))
        error_code = NOT_AVAILABLE;
    if (settings->problem[0])
        fail("the settings in %s can't be used: %s", conf, settings->problem);
    read_configuration(configuration, sizeof(configuration));
    if (!strcmp(command, "DEL") && is_daemon_away(settings->socket))
        return 0;
    const char *fields[] = {"cni", command, variable("CNI_CONTAINERID"), variable("CNI_NETNS"), variable("CNI_IFNAME"),
                            variable("CNI_ARGS"), configuration, NULL};
    const char *result = ask_daemon(settings, fields);
    write_all(STDOUT_FILENO, result, strlen(result));
    return 0;
}
