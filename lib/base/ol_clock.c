#include "lib/base/ol_clock.h"

#include <assert.h>
#include <string.h>

#define SECOND_US   1000000LL
#define DAY_SECONDS 86400LL

static int64_t read_us(clockid_t clock)
{
    struct timespec now;
    int failed = clock_gettime(clock, &now);
    assert(!failed);
    return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

int64_t ol_clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t ol_clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

void ol_clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(cond, &monotonic);
    assert(!failed);
    pthread_condattr_destroy(&monotonic);
}

struct timespec ol_clock_in(int64_t wait_ms)
{
    int64_t at_us = ol_clock_monotonic_us() + wait_ms * 1000;
    return (struct timespec){.tv_sec = at_us / SECOND_US, .tv_nsec = at_us % SECOND_US * 1000};
}

/*
 * Days and dates after Howard Hinnant, "chrono-compatible low-level date algorithms": years that
 * begin on 1 March put the leap day last, so a month's first day is a linear formula, and 400
 * years (an era) are always 146,097 days. Valid here for years 0 to 9999.
 */
static int64_t days_from_date(int year, int month, int day)
{
    if (month <= 2)
        year--;
    int64_t era = year / 400, year_of_era = year % 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    assert(era >= 0 && day_of_era >= 0);
    *ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* A place in a text that is being read; the readers move it on, or leave it and say false. */
struct cursor {
    const char *at, *end;
};

static bool read_digits(struct cursor *cursor, int count, int low, int high, int *ret_value)
{
    if (cursor->end - cursor->at < count)
        return false;
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (cursor->at[i] < '0' || cursor->at[i] > '9')
            return false;
        value = value * 10 + (cursor->at[i] - '0');
    }
    if (value < low || value > high)
        return false;
    cursor->at += count;
    *ret_value = value;
    return true;
}

static bool read_one_of(struct cursor *cursor, const char *characters, char *ret_found)
{
    if (cursor->at == cursor->end || !*cursor->at || !strchr(characters, *cursor->at))
        return false;
    *ret_found = *cursor->at++;
    return true;
}

static bool read_date(struct cursor *cursor, int64_t *ret_days)
{
    int year, month, day;
    char dash;
    if (!read_digits(cursor, 4, 1, 9999, &year) || !read_one_of(cursor, "-", &dash) ||
        !read_digits(cursor, 2, 1, 12, &month) || !read_one_of(cursor, "-", &dash) ||
        !read_digits(cursor, 2, 1, days_in_month(year, month), &day))
        return false;
    *ret_days = days_from_date(year, month, day);
    return true;
}

static bool read_time_of_day(struct cursor *cursor, int64_t *ret_us)
{
    int hour, minute, second, digit;
    char found;
    if (!read_digits(cursor, 2, 0, 23, &hour) || !read_one_of(cursor, ":", &found) ||
        !read_digits(cursor, 2, 0, 59, &minute) || !read_one_of(cursor, ":", &found) ||
        !read_digits(cursor, 2, 0, 59, &second))
        return false;

    int64_t fraction_us = 0, unit_us = SECOND_US;
    if (read_one_of(cursor, ".", &found)) {
        int digits = 0;
        for (; digits < 9 && read_digits(cursor, 1, 0, 9, &digit); digits++)
            fraction_us += digit * (unit_us /= 10);
        if (digits == 0)
            return false;
    }
    *ret_us = (hour * 3600 + minute * 60 + second) * SECOND_US + fraction_us;
    return true;
}

/* Z, z or an offset. RFC 3339 gives "-00:00" for "UTC, and where is unknown"; that is UTC. */
static bool read_zone(struct cursor *cursor, int64_t *ret_us)
{
    char sign, colon;
    int hours, minutes;
    *ret_us = 0;
    if (read_one_of(cursor, "Zz", &sign))
        return true;
    if (!read_one_of(cursor, "+-", &sign) || !read_digits(cursor, 2, 0, 23, &hours) ||
        !read_one_of(cursor, ":", &colon) || !read_digits(cursor, 2, 0, 59, &minutes))
        return false;
    *ret_us = (hours * 3600 + minutes * 60) * SECOND_US * (sign == '-' ? -1 : 1);
    return true;
}

bool ol_clock_parse(const char *text, size_t size_bytes, int64_t *ret_at_us)
{
    struct cursor cursor = {text, text + size_bytes};
    int64_t days, time_us, zone_us = 0;
    char separator;
    if (!read_date(&cursor, &days) || !read_one_of(&cursor, "Tt ", &separator) ||
        !read_time_of_day(&cursor, &time_us))
        return false;
    bool zone_may_be_missing = separator == ' ' && cursor.at == cursor.end;
    if (!zone_may_be_missing && !read_zone(&cursor, &zone_us))
        return false;
    if (cursor.at != cursor.end)
        return false;

    int64_t at_us = days * DAY_SECONDS * SECOND_US + time_us - zone_us;
    if (at_us < OL_CLOCK_MIN_US || at_us > OL_CLOCK_MAX_US)
        return false;
    *ret_at_us = at_us;
    return true;
}

static char *put_digits(char *to, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + count;
}

/* Writes value and the character after it. */
static char *put_part(char *to, int64_t value, int count, char behind)
{
    to = put_digits(to, value, count);
    *to++ = behind;
    return to;
}

size_t ol_clock_format(int64_t at_us, char ret_text[OL_CLOCK_TEXT_BYTES])
{
    ret_text[0] = '\0';
    if (at_us < OL_CLOCK_MIN_US || at_us > OL_CLOCK_MAX_US)
        return 0;

    /* Counted from the first day, nothing is negative and division rounds down. */
    int64_t since_us = at_us - OL_CLOCK_MIN_US;
    int64_t fraction_us = since_us % SECOND_US, seconds = since_us / SECOND_US;
    int64_t of_day = seconds % DAY_SECONDS;
    int year, month, day;
    date_from_days(seconds / DAY_SECONDS + OL_CLOCK_MIN_US / SECOND_US / DAY_SECONDS, &year, &month,
                   &day);

    char *to = ret_text;
    to = put_part(to, year, 4, '-');
    to = put_part(to, month, 2, '-');
    to = put_part(to, day, 2, 'T');
    to = put_part(to, of_day / 3600, 2, ':');
    to = put_part(to, of_day / 60 % 60, 2, ':');
    to = put_digits(to, of_day % 60, 2);
    if (fraction_us) {
        *to++ = '.';
        bool millis = fraction_us % 1000 == 0;
        to = put_digits(to, millis ? fraction_us / 1000 : fraction_us, millis ? 3 : 6);
    }
    *to++ = 'Z';
    *to = '\0';
    assert(to < ret_text + OL_CLOCK_TEXT_BYTES);
    return (size_t)(to - ret_text);
}
