// Forwards as a file says: SIGHUP lets it read the file anew, SIGTERM and SIGINT let it end when what runs has ended.
//
//     cc proxy.c $(pkg-config --cflags --libs viaduct) -o proxy
//     ./proxy [--check] FILE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viaduct.h"

// What runs may take this long at the end, whatever the configuration says.
#define PATIENCE_MS 40000

static char *contents(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t length = 0, space = 0, got;
    do {
        if (space - length < 4096) text = realloc(text, (space = 2 * space + 4096) + 1);
        if (!file || !text) {
            perror(path);
            exit(2);
        }
        length += got = fread(text + length, 1, space - length, file);
    } while (got > 0);
    fclose(file);
    text[length] = 0;
    return text;
}

static int failed(viaduct_result result, const char *what) {
    // For a configuration: a line for everything that is wrong in it.
    if (result != VIADUCT_RESULT_OK)
        fprintf(stderr, "%s: %s: %s\n", what, viaduct_result_name(result), viaduct_error_message());
    return result != VIADUCT_RESULT_OK;
}

static void say_where(const viaduct_proxy *proxy) {
    char *address;
    for (size_t n = 0; viaduct_proxy_address(proxy, n, &address) == VIADUCT_RESULT_OK; n++) {
        printf("listening on %s\n", address);
        viaduct_string_free(address);
    }
    fflush(stdout);
}

static void log_line(void *userdata, int32_t level, const char *module, const char *message) {
    (void)userdata, (void)level, (void)module;
    fprintf(stderr, "%s\n", message);
}

int main(int argc, char **argv) {
    const char *path = argv[argc - 1];
    if (argc < 2) {
        fprintf(stderr, "expected the path of a configuration\n");
        return 2;
    }
    char *config = contents(path);
    if (argc > 2 && strcmp(argv[1], "--check") == 0) {
        char *meaning;
        if (failed(viaduct_proxy_check(config, &meaning), path)) return 2;
        fputs(meaning, stdout);
        viaduct_string_free(meaning);
        free(config);
        return 0;
    }
    // Before there are threads, so that all of them leave the signals to this one.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    viaduct_log_set(VIADUCT_LOG_WARN, log_line, NULL);
    viaduct_proxy *proxy;
    if (failed(viaduct_proxy_start(config, &proxy), path)) return 2;
    free(config);
    say_where(proxy);

    int signal;
    while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) {
        config = contents(path);
        if (!failed(viaduct_proxy_reload(proxy, config), "the old configuration holds on")) say_where(proxy);
        free(config);
    }
    viaduct_proxy_shutdown(proxy);
    // What still runs after that is cut.
    failed(viaduct_proxy_wait(proxy, PATIENCE_MS), "the end");
    viaduct_proxy_free(proxy);
    puts("stopped");
    return 0;
}
