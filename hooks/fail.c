#define _GNU_SOURCE
#include "hook.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct role role;

void fail(const char *format, ...)
{
    static char sentence[MESSAGE_LIMIT + 1024];
    va_list arguments;
    int prefix = snprintf(sentence, sizeof(sentence), "nri-userns: ");
    va_start(arguments, format);
    vsnprintf(sentence + prefix, sizeof(sentence) - (size_t)prefix, format, arguments);
    va_end(arguments);
    role.report(sentence);
    exit(1);
}
