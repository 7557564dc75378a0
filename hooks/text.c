#include "hook.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void write_all(int fd, const char *bytes, size_t count)
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

void json_escape(char *out, size_t room, const char *text)
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
}
