/*
 * The program that a container engine calls, in one of two roles.
 *
 * As its OCI runtime (runtime.c), it asks the nri-userns daemon before a container is made, tells it when one is deleted,
 * and becomes the real runtime by execve() for every command.
 *
 * By the name nri-userns-cni it is a CNI plugin (cni.c): the daemon gives the pod a network namespace that the pod owns.
 *
 * Settings are read from a file beside the program, named after it with ".conf" added:
 *     runtime = /usr/bin/runc
 *     socket = /run/nri-userns/shim.sock
 * They are not read from the environment: that belongs to whoever calls.
 *
 * Wire format, both ways: a big-endian 32-bit length, then that many bytes.
 *     request   "1" NUL verb NUL, then fields that each end with NUL:
 *               create, run, restore, delete: container-id bundle
 *               cni: command container-id netns ifname args configuration
 *     answer    'y', and for cni the result; or 'n' and the reason as a sentence in UTF-8
 */
#define _GNU_SOURCE
#include "hook.h"
#include <string.h>

int main(int argc, char **argv)
{
    static struct settings settings;
    static char conf[4096 + 8];
    if (argc < 1)
        return 1;
    read_settings(&settings, conf, sizeof(conf));
    const char *slash = strrchr(argv[0], '/');
    if (!strcmp(slash ? slash + 1 : argv[0], "nri-userns-cni"))
        return run_cni(&settings, conf);
    return run_runtime(&settings, conf, argv);
}
