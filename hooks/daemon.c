#define _GNU_SOURCE
#include "hook.h"
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int connect_daemon(const char *path, int flags)
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
    if (length + size > MESSAGE_LIMIT)
        fail("what there is to tell the daemon is longer than %d bytes, so %s was not made", MESSAGE_LIMIT, role.lost);
    memcpy(request + length, field, size);
    return length + size;
}

bool send_request(int fd, const char *const *fields)
{
    static char request[MESSAGE_LIMIT];
    size_t length = append_field(request, 4, "1");
    for (; *fields; fields++)
        length = append_field(request, length, *fields);
    uint32_t size = (uint32_t)(length - 4);
    for (int i = 0; i < 4; i++)
        request[i] = (char)(size >> (24 - 8 * i));
    /* One send is enough: an empty unix socket takes more than MESSAGE_LIMIT at once, see unix(7) and SO_SNDBUF. */
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
            fail("the daemon gave no answer in %d s, so %s was not made; see its log: journalctl -u nri-userns",
                 ANSWER_TIMEOUT_MS / 1000, role.lost);
        ssize_t got = ready < 0 ? -1 : recv(fd, bytes, count, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            fail("the daemon closed the connection before it answered (%s), so %s was not made; "
                 "see its log: journalctl -u nri-userns", got < 0 ? strerror(errno) : "it may have been restarted", role.lost);
        bytes += got;
        count -= (size_t)got;
    }
}

const char *ask_daemon(const struct settings *settings, const char *const *fields)
{
    static unsigned char size[4];
    static char answer[MESSAGE_LIMIT + 1];
    int64_t deadline = now_ms() + ANSWER_TIMEOUT_MS;
    int fd;
    /* EAGAIN is a full backlog (unix(7)): the daemon is there and busy. */
    while ((fd = connect_daemon(settings->socket, SOCK_CLOEXEC)) < 0 && errno == EAGAIN && now_ms() < deadline)
        poll(NULL, 0, 5);
    if (fd < 0)
        fail("the daemon does not answer on %s (%s), so %s was not made; is it running? systemctl status nri-userns",
             settings->socket, strerror(errno), role.lost);
    struct ucred peer;
    socklen_t peer_size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) < 0 || peer.uid != 0)
        fail("%s is served by uid %u and not by root, so %s was not made", settings->socket, peer.uid, role.lost);
    if (!send_request(fd, fields))
        fail("the daemon on %s did not take the request (%s), so %s was not made", settings->socket, strerror(errno), role.lost);
    receive(fd, (char *)size, sizeof(size), deadline);
    uint32_t length = (uint32_t)size[0] << 24 | (uint32_t)size[1] << 16 | (uint32_t)size[2] << 8 | size[3];
    if (length == 0 || length > MESSAGE_LIMIT)
        fail("the daemon on %s gave an answer that makes no sense (of %u bytes), so %s was not made", settings->socket, length, role.lost);
    receive(fd, answer, length, deadline);
    close(fd);
    if (answer[0] == 'y')
        return answer + 1;
    if (length == 1 || answer[0] != 'n')
        fail("the daemon on %s gave an answer that makes no sense, so %s was not made", settings->socket, role.lost);
    fail("%s", answer + 1);
}
