/* The OCI runtime: see main.c. */
#define _GNU_SOURCE
#include "hook.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct command {
    const char *verb;
    const char *id;
    const char *bundle;
    const char *log;
};

/* Options that take their value from the next argument when it isn't joined by "=": runc(8) and crun(1). */
static const char *const global_values[] = {"log", "log-format", "log-level", "root", "criu", "rootless", "cgroup-manager", NULL};
static const char *const create_values[] = {"bundle", "b", "config", "f", "console-socket", "pidfd-socket", "pid-file",
                                            "preserve-fds", "image-path", "work-path", "parent-path", "manage-cgroups-mode",
                                            "empty-ns", "status-fd", "lsm-profile", "lsm-mount-context", NULL};
static const char *const delete_values[] = {NULL};

static const char *log_file;

/* Containerd shows its user only the last error line of --log, in the JSON form that runc writes there. */
static void append_to_log(const char *sentence)
{
    static char escaped[MESSAGE_LIMIT], line[sizeof(escaped) + 128];
    if (!log_file)
        return;
    int fd = open(log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    time_t now = time(NULL);
    struct tm utc;
    char stamp[32];
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    json_escape(escaped, sizeof(escaped), sentence);
    int length = snprintf(line, sizeof(line), "{\"level\":\"error\",\"msg\":\"%s\",\"time\":\"%s\"}\n", escaped, stamp);
    write_all(fd, line, (size_t)length);
    close(fd);
}

static void report(const char *sentence)
{
    append_to_log(sentence);
    write_all(STDERR_FILENO, sentence, strlen(sentence));
    write_all(STDERR_FILENO, "\n", 1);
}

static bool takes_value(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (!strcmp(*names, name))
            return true;
    return false;
}

/* Steps over an option and its value, and returns the value; NULL for a flag that has none. */
static const char *option_value(char **argv, int *index, const char *const *values, const char **name)
{
    static char buffer[64];
    const char *option = argv[*index] + strspn(argv[*index], "-");
    const char *equals = strchr(option, '=');
    size_t length = equals ? (size_t)(equals - option) : strlen(option);
    snprintf(buffer, sizeof(buffer), "%.*s", length < sizeof(buffer) ? (int)length : 0, option);
    *name = buffer;
    (*index)++;
    if (equals)
        return equals + 1;
    if (takes_value(values, buffer) && argv[*index])
        return argv[(*index)++];
    return NULL;
}

/* run and restore make a container's processes as create does: who lets them by lets them run as the host's root. */
static bool makes_container(const char *verb)
{
    return !strcmp(verb, "create") || !strcmp(verb, "run") || !strcmp(verb, "restore");
}

static struct command parse_command(char **argv)
{
    struct command command = {0};
    const char *name, *value;
    int index = 1;
    while (argv[index] && argv[index][0] == '-') {
        value = option_value(argv, &index, global_values, &name);
        if (!strcmp(name, "log"))
            command.log = value;
    }
    if (!argv[index])
        return command;
    command.verb = argv[index++];
    /* -f is crun's --config of create, and --force of delete. */
    const char *const *values = makes_container(command.verb) ? create_values : delete_values;
    /* Options may also follow the id: both runtimes' parsers allow it or refuse the call themselves. */
    while (argv[index]) {
        if (argv[index][0] == '-' && argv[index][1]) {
            value = option_value(argv, &index, values, &name);
            if (!strcmp(name, "bundle") || !strcmp(name, "b"))
                command.bundle = value;
        } else if (!command.id) {
            command.id = argv[index++];
        } else {
            index++;
        }
    }
    return command;
}

int run_runtime(const struct settings *settings, const char *conf, char **argv)
{
    static char bundle[PATH_MAX];
    role = (struct role){.report = report, .lost = "the container"};
    struct command command = parse_command(argv);
    log_file = command.log;
    const char *fields[] = {command.verb, command.id, bundle, NULL};
    /* A call without an id is the runtime's to refuse. */
    if (command.verb && command.id && makes_container(command.verb)) {
        if (settings->problem[0])
            fail("the settings in %s can't be used: %s", conf, settings->problem);
        if (!realpath(command.bundle ? command.bundle : ".", bundle))
            fail("the bundle %s can't be found: %s", command.bundle ? command.bundle : ".", strerror(errno));
        const char *result = ask_daemon(settings, fields);
        if (*result)
            fail("the daemon on %s gave an answer that makes no sense, so the container was not made", settings->socket);
    } else if (command.verb && command.id && !strcmp(command.verb, "delete")) {
        /* The connection is left open for the runtime to inherit: its end tells the daemon that the delete is over. */
        int fd = connect_daemon(settings->socket, 0);
        if (fd >= 0 && !send_request(fd, fields))
            close(fd);
    }
    argv[0] = (char *)settings->runtime;
    execv(settings->runtime, argv);
    fail("the container runtime %s can't be started: %s; set \"runtime = /PATH\" in %s", settings->runtime, strerror(errno), conf);
}
