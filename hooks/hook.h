/* What the two roles of this program share; main.c says what they are. */
#ifndef HOOK_H
#define HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

enum { ANSWER_TIMEOUT_MS = 10000, MESSAGE_LIMIT = 160 * 1024, CONF_LIMIT = 8192 };

struct settings {
    char runtime[4096];
    char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char problem[512]; /* why the settings can't be trusted; empty when they can */
};

/* How a role tells its caller that it failed, and what there is not because of that. */
struct role {
    void (*report)(const char *sentence);
    const char *lost;
};
extern struct role role;

__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

void write_all(int fd, const char *bytes, size_t count);
/* Writes text as the inside of a JSON string, cut where room ends. */
void json_escape(char *out, size_t room, const char *text);

/* file becomes the path of the settings. */
void read_settings(struct settings *settings, char *file, size_t room);

/* Connects without blocking. flags: SOCK_CLOEXEC or 0. Returns -1 with errno. */
int connect_daemon(const char *path, int flags);
/* fields ends with NULL. */
bool send_request(int fd, const char *const *fields);
/* Returns what follows the daemon's yes. Fails with its reason otherwise. */
const char *ask_daemon(const struct settings *settings, const char *const *fields);

int run_runtime(const struct settings *settings, const char *conf, char **argv);
int run_cni(const struct settings *settings, const char *conf);

#endif
