/*
 * The OCI runtime that a container engine calls. It asks the nri-userns daemon before a container is made, tells it
 * when one is deleted, and becomes the real runtime by execve() for every command, so that descriptors, arguments,
 * environment and exit code are the engine's and the runtime's own.
 *
 * Settings are read from a file beside the program, named after it with ".conf" added:
 *     runtime = /usr/bin/runc
 *     socket = /run/nri-userns/shim.sock
 * They are not read from the environment: that belongs to whoever calls.
 *
 * Wire format, both ways: a big-endian 32-bit length, then that many bytes.
 *     request   "1" NUL verb NUL container-id NUL bundle NUL
 *     answer    'y', or 'n' and the reason as a sentence in UTF-8
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_TIMEOUT_MS = 10000, ANSWER_LIMIT = 16384, REQUEST_LIMIT = 16384, CONF_LIMIT = 8192 };

struct settings {
    char runtime[4096];
    char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char problem[512]; /* why the settings can't be trusted; empty when they can */
};

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

static void write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        count -= (size_t)written;
    }
}

static size_t json_escape(char *out, size_t room, const char *text)
{
    size_t length = 0;
    for (; *text && length + 7 < room; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            length += (size_t)snprintf(out + length, room - length, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            length += (size_t)snprintf(out + length, room - length, "\\u%04x", c);
        else
            out[length++] = (char)c;
    }
    out[length] = 0;
    return length;
}

/* Containerd shows its user only the last error line of --log, in the JSON form that runc writes there. */
static void append_to_log(const char *sentence)
{
    static char escaped[ANSWER_LIMIT * 6 + 8], line[sizeof(escaped) + 128];
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

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    static char sentence[ANSWER_LIMIT + 1024];
    va_list arguments;
    int prefix = snprintf(sentence, sizeof(sentence), "nri-userns: ");
    va_start(arguments, format);
    vsnprintf(sentence + prefix, sizeof(sentence) - (size_t)prefix, format, arguments);
    va_end(arguments);
    append_to_log(sentence);
    write_all(STDERR_FILENO, sentence, strlen(sentence));
    write_all(STDERR_FILENO, "\n", 1);
    exit(1);
}

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
static void read_settings(struct settings *settings, char *file, size_t room)
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

static int connect_daemon(const char *path, int flags)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | flags, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

static size_t append_field(char *request, size_t length, const char *field)
{
    size_t size = strlen(field) + 1;
    if (length + size > REQUEST_LIMIT)
        fail("the container id and the bundle's path are longer together than %d bytes", REQUEST_LIMIT);
    memcpy(request + length, field, size);
    return length + size;
}

static bool send_request(int fd, const char *verb, const char *id, const char *bundle)
{
    static char request[REQUEST_LIMIT];
    size_t length = append_field(request, 4, "1");
    length = append_field(request, length, verb);
    length = append_field(request, length, id);
    length = append_field(request, length, bundle);
    uint32_t size = (uint32_t)(length - 4);
    for (int i = 0; i < 4; i++)
        request[i] = (char)(size >> (24 - 8 * i));
    /* One send is enough: an empty unix socket takes far more than REQUEST_LIMIT at once, see unix(7) and SO_SNDBUF. */
    return send(fd, request, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void receive(int fd, char *bytes, size_t count, int64_t deadline)
{
    while (count > 0) {
        int64_t left = deadline - now_ms();
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&readable, 1, (int)left) : 0;
        if (ready == 0)
            fail("the daemon gave no answer in %d s, so the container was not made; see its log: journalctl -u nri-userns",
                 ANSWER_TIMEOUT_MS / 1000);
        ssize_t got = ready < 0 ? -1 : recv(fd, bytes, count, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            fail("the daemon closed the connection before it answered (%s), so the container was not made; "
                 "see its log: journalctl -u nri-userns", got < 0 ? strerror(errno) : "it may have been restarted");
        bytes += got;
        count -= (size_t)got;
    }
}

static void ask_daemon(const struct settings *settings, const struct command *command, const char *bundle)
{
    static unsigned char size[4];
    static char answer[ANSWER_LIMIT + 1];
    int64_t deadline = now_ms() + ANSWER_TIMEOUT_MS;
    int fd;
    /* EAGAIN is a full backlog (unix(7)): the daemon is there and busy. */
    while ((fd = connect_daemon(settings->socket, SOCK_CLOEXEC)) < 0 && errno == EAGAIN && now_ms() < deadline)
        poll(NULL, 0, 5);
    if (fd < 0)
        fail("the daemon does not answer on %s (%s), so the container was not made; is it running? systemctl status nri-userns",
             settings->socket, strerror(errno));
    struct ucred peer;
    socklen_t peer_size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) < 0 || peer.uid != 0)
        fail("%s is served by uid %u and not by root, so the container was not made", settings->socket, peer.uid);
    if (!send_request(fd, command->verb, command->id, bundle))
        fail("the daemon on %s did not take the request (%s), so the container was not made", settings->socket, strerror(errno));
    receive(fd, (char *)size, sizeof(size), deadline);
    uint32_t length = (uint32_t)size[0] << 24 | (uint32_t)size[1] << 16 | (uint32_t)size[2] << 8 | size[3];
    if (length == 0 || length > ANSWER_LIMIT)
        fail("the daemon on %s gave an answer that makes no sense (of %u bytes), so the container was not made", settings->socket, length);
    receive(fd, answer, length, deadline);
    close(fd);
    if (length == 1 && answer[0] == 'y')
        return;
    if (length == 1 || answer[0] != 'n')
        fail("the daemon on %s gave an answer that makes no sense, so the container was not made", settings->socket);
    fail("%s", answer + 1);
}

int main(int argc, char **argv)
{
    static struct settings settings;
    static char conf[4096 + 8], bundle[4096];
    if (argc < 1)
        return 1;
    read_settings(&settings, conf, sizeof(conf));
    struct command command = parse_command(argv);
    log_file = command.log;
    /* A call without an id is the runtime's to refuse. */
    if (command.verb && command.id && makes_container(command.verb)) {
        if (settings.problem[0])
            fail("the settings in %s can't be used: %s", conf, settings.problem);
        if (!realpath(command.bundle ? command.bundle : ".", bundle))
            fail("the bundle %s can't be found: %s", command.bundle ? command.bundle : ".", strerror(errno));
        ask_daemon(&settings, &command, bundle);
    } else if (command.verb && command.id && !strcmp(command.verb, "delete")) {
        /* The connection is left open for the runtime to inherit: its end tells the daemon that the delete is over. */
        int fd = connect_daemon(settings.socket, 0);
        if (fd >= 0 && !send_request(fd, command.verb, command.id, ""))
            close(fd);
    }
    argv[0] = settings.runtime;
    execv(settings.runtime, argv);
    fail("the container runtime %s can't be started: %s; set \"runtime = /PATH\" in %s", settings.runtime, strerror(errno), conf);
}
