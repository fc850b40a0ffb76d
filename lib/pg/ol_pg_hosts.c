#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/pg/ol_pg_internal.h"

/* What libpq refuses before it looks up or calls anybody: so it resolves the string, the PG*
 * environment and the service file for us, and goes no further. */
#define NO_SUCH_BINDING "none: only the settings are asked for"

#define DEFAULT_PORT "5432"

static const char *value_of(const PQconninfoOption *settings, const char *keyword)
{
    for (; settings && settings->keyword; settings++)
        if (!strcmp(settings->keyword, keyword))
            return settings->val ? settings->val : "";
    return "";
}

/* Item `index` of "a,b,c"; a list of one is for every index. */
static void item_of(const char *list, size_t index, char *ret_item, size_t size_bytes)
{
    const char *at = list;
    for (; index > 0 && strchr(at, ','); index--)
        at = strchr(at, ',') + 1;
    snprintf(ret_item, size_bytes, "%.*s", (int)strcspn(at, ","), at);
}

static size_t items_in(const char *list)
{
    size_t count = 1;
    for (; (list = strchr(list, ',')); list++)
        count++;
    return count;
}

static bool add_host(struct ol_pg_hosts *hosts, const struct ol_pg_host *host)
{
    struct ol_pg_host *items = reallocarray(hosts->items, hosts->count + 1, sizeof *items);
    if (!items)
        return false;
    hosts->items = items;
    hosts->items[hosts->count++] = *host;
    return true;
}

/* A name may have several addresses: each is a place of its own, which libpq would also try. */
static bool add_addresses(struct ol_pg_hosts *hosts, struct ol_pg_host *host)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host->host, NULL, &hints, &found);
    bool ok = true;
    if (failed) {
        snprintf(host->unknown, sizeof host->unknown, "%s", gai_strerror(failed));
        return add_host(hosts, host);
    }
    for (const struct addrinfo *at = found; at && ok; at = at->ai_next)
        if (!getnameinfo(at->ai_addr, at->ai_addrlen, host->address, sizeof host->address, NULL, 0,
                         NI_NUMERICHOST))
            ok = add_host(hosts, host);
    freeaddrinfo(found);
    return ok;
}

static bool is_socket_folder(const char *host)
{
    return host[0] == '/' || host[0] == '@';
}

static enum ol_class add_item(struct ol_pg_hosts *hosts, const PQconninfoOption *settings,
                              size_t index, size_t count, struct ol_error *reterr)
{
    struct ol_pg_host host = {0};
    item_of(value_of(settings, "host"), index, host.host, sizeof host.host);
    item_of(value_of(settings, "hostaddr"), index, host.address, sizeof host.address);
    item_of(value_of(settings, "port"), index, host.port, sizeof host.port);
    if (!host.port[0])
        snprintf(host.port, sizeof host.port, "%s", DEFAULT_PORT);
    if (count > 1 && !host.host[0] && !host.address[0])
        return ol_fail(reterr, OL_USAGE,
                       "the PostgreSQL connection string is off: host %zu of %zu is empty",
                       index + 1, count);
    bool looked_up = host.host[0] && !host.address[0] && !is_socket_folder(host.host);
    if (!(looked_up ? add_addresses(hosts, &host) : add_host(hosts, &host)))
        return ol_fail(reterr, OL_FATAL, "PostgreSQL: out of memory");
    return OL_OK;
}

static enum ol_class add_all(struct ol_pg_hosts *hosts, const PQconninfoOption *settings,
                             struct ol_error *reterr)
{
    const char *names = value_of(settings, "host"), *addresses = value_of(settings, "hostaddr");
    size_t count = items_in(*addresses ? addresses : names);
    long seconds = strtol(value_of(settings, "connect_timeout"), NULL, 10);
    enum ol_class class = OL_OK;
    hosts->timeout_ms = seconds <= 0 || seconds > OL_PG_CONNECT_MAX_S ? 0 : (int)seconds * 1000;
    hosts->prefers_standby = !strcmp(value_of(settings, "target_session_attrs"), "prefer-standby");
    for (size_t i = 0; i < count && !class; i++)
        class = add_item(hosts, settings, i, count, reterr);
    return class;
}

enum ol_class ol_pg_hosts_find(const char *dsn, struct ol_pg_hosts *hosts, struct ol_error *reterr)
{
    const char *const keywords[] = {"dbname", "channel_binding", NULL};
    const char *const values[] = {dsn, NO_SUCH_BINDING, NULL};
    struct pg_conn *conn = PQconnectStartParams(keywords, values, 1);
    PQconninfoOption *settings = conn ? PQconninfo(conn) : NULL;
    enum ol_class class = OL_OK;
    char line[256];
    if (!settings) {
        class = ol_fail(reterr, OL_FATAL, "PostgreSQL: out of memory");
    } else if (!strstr(PQerrorMessage(conn), NO_SUCH_BINDING)) {
        ol_pg_first_line(PQerrorMessage(conn), line, sizeof line);
        class = ol_fail(reterr, OL_USAGE, "the PostgreSQL connection string is off: %s", line);
    } else {
        class = add_all(hosts, settings, reterr);
    }
    PQconninfoFree(settings);
    PQfinish(conn);
    return class;
}

void ol_pg_hosts_release(struct ol_pg_hosts *hosts)
{
    free(hosts->items);
    *hosts = (struct ol_pg_hosts){0};
}
