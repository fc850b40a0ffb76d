#include "lib/base/ol_csv.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"sku", "name", "stock"};
static char path[] = "/tmp/orderlog-csv-XXXXXX";
static struct ol_csv *csv;
static struct ol_error error;

static void release(void)
{
    ol_csv_close(csv);
    csv = NULL;
    unlink(path);
}

static void open_bytes(const char *bytes, size_t size)
{
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
    cr_assert_eq(ol_csv_open(&csv, path, &error), OL_OK);
}

/* Opens a file with this text and reads its header. */
static enum ol_class open_text(const char *text)
{
    open_bytes(text, strlen(text));
    return ol_csv_header(csv, names, 3, &error);
}

/* The error's text behind the file's name: line, column, sentence. */
static const char *place(void)
{
    cr_assert_eq(strncmp(error.text, path, strlen(path)), 0, "%s", error.text);
    return error.text + strlen(path);
}

TestSuite(ol_csv_next, .fini = release);
TestSuite(ol_csv_header, .fini = release);
TestSuite(ol_csv_int, .fini = release);

Test(ol_csv_next, reads_what_rfc_4180_allows)
{
    static const struct {
        const char *text, *fields[3];
    } rows[] = {
        {"sku,name,stock\n1,apple,5\n", {"1", "apple", "5"}},
        {"sku,name,stock\r\n1,apple,5\r\n", {"1", "apple", "5"}},
        {"sku,name,stock\n1,apple,5", {"1", "apple", "5"}},
        {"\xEF\xBB\xBFsku,name,stock\n1,apple,5\n", {"1", "apple", "5"}},
        {"\"sku\",\"name\",\"stock\"\n\"1\",\"a,b\",\"5\"\n", {"1", "a,b", "5"}},
        {"sku,name,stock\n1,\"say \"\"hi\"\"\",5\n", {"1", "say \"hi\"", "5"}},
        {"sku,name,stock\n1,\"two\nlines\",5\n", {"1", "two\nlines", "5"}},
        {"sku,name,stock\n1,\"two\r\nlines\",5\n", {"1", "two\r\nlines", "5"}},
        {"sku,name,stock\n,,\n", {"", "", ""}},
        {"sku,name,stock\n\"\",\"\",\"\"\n", {"", "", ""}},
        {"sku,name,stock\n\n\r\n1,apple,5\n\n", {"1", "apple", "5"}},
        {"stock,sku,name\n5,1,apple\n", {"1", "apple", "5"}},
        {"sku,name,stock\n1, spaced ,5\n", {"1", " spaced ", "5"}},
        {"sku,name,stock\n1,\"\"\"\",5\n", {"1", "\"", "5"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ol_csv_field *fields;
        cr_assert_eq(open_text(rows[i].text), OL_OK, "%s: %s", rows[i].text, error.text);
        cr_assert_eq(ol_csv_next(csv, &fields, &error), OL_OK, "%s: %s", rows[i].text, error.text);
        for (int j = 0; j < 3; j++) {
            cr_expect_str_eq(fields[j].text, rows[i].fields[j]);
            cr_expect_eq(fields[j].size_bytes, strlen(rows[i].fields[j]));
        }
        cr_assert_eq(ol_csv_next(csv, &fields, &error), OL_OK);
        cr_expect_null(fields);
        cr_expect_eq(ol_csv_bytes(csv), (int64_t)strlen(rows[i].text));
        cr_expect_eq(ol_csv_size_bytes(csv), (int64_t)strlen(rows[i].text));
        release();
    }
}

Test(ol_csv_next, refuses_with_line_and_column)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"1,apple\n", ":2:1: this record has 2 fields, the header 3"},
        {"1,apple,5,6\n", ":2:1: this record has 4 fields, the header 3"},
        {"1,\"apple,5\n", ":2:3: this quoted field does not end"},
        {"1,ap\"ple,5\n", ":2:5: a quote inside a field that is not quoted"},
        {"1,\"apple\"x,5\n", ":2:10: text behind the closing quote"},
        {"1,apple\r,5\n", ":2:9: a carriage return without a line feed"},
        {"1,\"a\nb\",5\n1,\xff,5\n", ":4:3: this field is not UTF-8"},
        {"1,\"a\nb\",\"c\n\n", ":3:4: this quoted field does not end"},
        {"1,\"a\"\r", ":2:7: a carriage return without a line feed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        const struct ol_csv_field *fields = (void *)1;
        snprintf(text, sizeof text, "sku,name,stock\n%s", rows[i].text);
        cr_assert_eq(open_text(text), OL_OK);
        enum ol_class class = OL_OK;
        while (!class && fields)
            class = ol_csv_next(csv, &fields, &error);
        cr_expect_eq(class, OL_POISON, "%s", rows[i].text);
        cr_expect_str_eq(place(), rows[i].error);
        release();
    }
}

Test(ol_csv_next, refuses_a_nul)
{
    static const char text[] = "sku,name,stock\n1,a\0b,5\n";
    const struct ol_csv_field *fields;
    open_bytes(text, sizeof text - 1);
    cr_assert_eq(ol_csv_header(csv, names, 3, &error), OL_OK);
    cr_assert_eq(ol_csv_next(csv, &fields, &error), OL_POISON);
    cr_assert_str_eq(place(), ":2:4: a NUL byte");
}

Test(ol_csv_next, tells_where_each_field_begins)
{
    const struct ol_csv_field *fields;
    cr_assert_eq(open_text("sku,name,stock\n1,\"a\nb\",5\n"), OL_OK);
    cr_assert_eq(ol_csv_next(csv, &fields, &error), OL_OK);
    cr_expect(fields[0].line == 2 && fields[0].column == 1);
    cr_expect(fields[1].line == 2 && fields[1].column == 3);
    cr_expect(fields[2].line == 3 && fields[2].column == 4);
}

static char *make_large(size_t field_bytes, int fields)
{
    char *text = malloc(64 + (field_bytes + 3) * (size_t)fields), *to = text;
    to = stpcpy(to, "sku,name,stock\n");
    for (int i = 0; i < fields; i++) {
        to = stpcpy(to, i ? ",\"" : "\"");
        memset(to, i % 2 ? '\n' : 'x', field_bytes);
        to += field_bytes;
        *to++ = '"';
    }
    strcpy(to, "\n");
    return text;
}

Test(ol_csv_next, takes_fields_up_to_their_bound_and_no_further)
{
    const struct ol_csv_field *fields;
    char *text = make_large(OL_CSV_FIELD_BYTES, 3);
    cr_assert_eq(open_text(text), OL_OK);
    cr_expect_eq(ol_csv_next(csv, &fields, &error), OL_OK, "%s", error.text);
    cr_expect_eq(fields[1].size_bytes, OL_CSV_FIELD_BYTES);
    release();
    free(text);

    text = make_large(OL_CSV_FIELD_BYTES + 1, 1);
    cr_assert_eq(open_text(text), OL_OK);
    cr_expect_eq(ol_csv_next(csv, &fields, &error), OL_POISON);
    cr_expect_str_eq(place(), ":2:1: field is longer than 64 KiB");
    release();
    free(text);

    text = make_large(OL_CSV_FIELD_BYTES, 4);
    cr_assert_eq(open_text(text), OL_OK);
    cr_expect_eq(ol_csv_next(csv, &fields, &error), OL_POISON);
    cr_expect(strstr(error.text, "record is longer than 256 KiB"), "%s", error.text);
    free(text);
}

Test(ol_csv_next, bounds_the_number_of_fields)
{
    const struct ol_csv_field *fields;
    char text[256] = "sku,name,stock\n";
    memset(text + 15, ',', OL_CSV_COLUMNS_MAX);
    cr_assert_eq(open_text(text), OL_OK);
    cr_assert_eq(ol_csv_next(csv, &fields, &error), OL_POISON);
    cr_assert_str_eq(place(), ":2:65: more than 64 fields");
}

Test(ol_csv_next, reads_across_the_edges_of_its_input_buffer)
{
    /* Records of 13 bytes: the edge of each 64 KiB falls on every place in one. */
    enum { RECORDS = 50000 };
    char *text = malloc(32 + RECORDS * 24), *to = stpcpy(text, "sku,name,stock\r\n");
    for (int i = 0; i < RECORDS; i++)
        to += sprintf(to, "%05d,\"\"\"\",%d\r\n", i, i % 10);
    cr_assert_eq(open_text(text), OL_OK);
    for (int i = 0; i < RECORDS; i++) {
        const struct ol_csv_field *fields;
        char sku[16];
        sprintf(sku, "%05d", i);
        cr_assert_eq(ol_csv_next(csv, &fields, &error), OL_OK, "%s", error.text);
        cr_assert(fields);
        cr_assert_str_eq(fields[0].text, sku);
        cr_assert_str_eq(fields[1].text, "\"");
        cr_assert_eq(fields[2].text[0], '0' + i % 10);
        cr_assert_eq(fields[0].line, (uint64_t)i + 2);
    }
    free(text);
}

Test(ol_csv_header, refuses_what_does_not_fit)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", ":1:1: the file is empty; a header row must name the columns"},
        {"\n\n", ":3:1: the file is empty; a header row must name the columns"},
        {"sku,name\n", ":1:1: column 'stock' is missing from the header"},
        {"sku,name,sku\n", ":1:10: column 'sku' is here twice"},
        {"sku;name;stock\n",
         ":1:1: the columns are separated by semicolons; save the file with commas between them"},
        {"sku\tname\tstock\n",
         ":1:1: the columns are separated by tabs; save the file with commas between them"},
        {"\"sku\";\"name\";\"stock\"\n",
         ":1:1: the columns are separated by semicolons; save the file with commas between them"},
        {"sku,name,stock,\n",
         ":1:16: a column without a name; is there a comma behind the last one?"},
        {"sku,,name,stock\n", ":1:5: a column without a name"},
        {"\xFF\xFEs", ":1:1: the file is UTF-16 (some programs call it Unicode); save it as UTF-8"},
        {"\xFE\xFF", ":1:1: the file is UTF-16 (some programs call it Unicode); save it as UTF-8"},
        {"sku,name,price\n", ":1:10: unknown column 'price'; expected sku, name, stock"},
        {"sku,name, stock\n", ":1:10: unknown column ' stock'; expected sku, name, stock"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(open_text(rows[i].text), OL_POISON, "%s", rows[i].text);
        cr_expect_str_eq(place(), rows[i].error);
        release();
    }
}

Test(ol_csv_int, names_file_line_column_and_header)
{
    const struct ol_csv_field *fields;
    int64_t value = 42;
    cr_assert_eq(open_text("sku,name,stock\n7,apple,five\n"), OL_OK);
    cr_assert_eq(ol_csv_next(csv, &fields, &error), OL_OK);
    cr_expect_eq(ol_csv_int(csv, &fields[2], 0, 9, &value, &error), OL_POISON);
    cr_expect_str_eq(place(), ":2:9: stock: 'five' is not a whole number");
    cr_expect_eq(ol_csv_int(csv, &fields[0], 0, 6, &value, &error), OL_POISON);
    cr_expect_str_eq(place(), ":2:1: sku: 7 is outside 0 to 6");
    cr_expect_eq(value, 42);
    cr_expect_eq(ol_csv_int(csv, &fields[0], 0, 7, &value, &error), OL_OK);
    cr_expect_eq(value, 7);
}

Test(ol_csv_open, tells_a_missing_file_from_others)
{
    cr_expect_eq(ol_csv_open(&csv, "/nonexistent/products.csv", &error), OL_NOT_FOUND);
    cr_expect_str_eq(error.text, "/nonexistent/products.csv: No such file or directory");
    cr_assert_eq(ol_csv_open(&csv, "/", &error), OL_OK);
    cr_expect_eq(ol_csv_header(csv, names, 3, &error), OL_FATAL);
    cr_expect_str_eq(error.text, "/: Is a directory");
    ol_csv_close(csv);
    ol_csv_close(NULL);
}
