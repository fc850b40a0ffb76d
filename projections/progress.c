#include "projections/progress.h"

#define COLUMN(name, type)                                                                         \
    {                                                                                              \
        name, OL_PG_##type, OL_PG_NOT_NULL                                                         \
    }
#define NULLABLE(name, type)                                                                       \
    {                                                                                              \
        name, OL_PG_##type, OL_PG_NULLABLE                                                         \
    }

static const struct ol_pg_statement progress_statement = {
    .name = "progress/read",
    .sql = "SELECT partition, projector_version, next_offset, last_offset, last_digest, "
           "last_recorded_at, has_receipt, commands_first, commands_next, steps_first, steps_next, "
           "last_decided, last_refused, last_repeated, last_ignored, last_passed_on, "
           "last_dead_lettered FROM orderlog.projection_progress WHERE topic = $1 COLLATE \"C\"",
    .columns = (const struct ol_pg_column[]){COLUMN("partition", INT2),
                                             COLUMN("projector_version", INT2),
                                             COLUMN("next_offset", INT8),
                                             COLUMN("last_offset", INT8),
                                             COLUMN("last_digest", INT8),
                                             NULLABLE("last_recorded_at", TIMESTAMPTZ),
                                             COLUMN("has_receipt", BOOL),
                                             COLUMN("commands_first", INT8),
                                             COLUMN("commands_next", INT8),
                                             COLUMN("steps_first", INT8),
                                             COLUMN("steps_next", INT8),
                                             COLUMN("last_decided", INT4),
                                             COLUMN("last_refused", INT4),
                                             COLUMN("last_repeated", INT4),
                                             COLUMN("last_ignored", INT4),
                                             COLUMN("last_passed_on", INT4),
                                             COLUMN("last_dead_lettered", INT4),
                                             {0}},
};

enum ol_class progress_queue(struct ol_pg *db, const char *topic, struct ol_error *reterr)
{
    struct ol_pg_params params = {0};
    ol_pg_param_text(&params, topic, strlen(topic));
    return ol_pg_queue(db, &progress_statement, &params, reterr);
}

static void read_row(const struct ol_pg_rows *rows, int row, struct load_progress *ret_progress)
{
    int column = 2;
    struct receipt *receipt = &ret_progress->receipt;
    ret_progress->next_offset = ol_pg_int64(rows, row, column++);
    ret_progress->last_offset = ol_pg_int64(rows, row, column++);
    ret_progress->last_digest = (uint64_t)ol_pg_int64(rows, row, column++);
    if (!ol_pg_is_null(rows, row, column))
        ret_progress->last_recorded_us = ol_pg_us(rows, row, column);
    column++;
    ret_progress->has_receipt = ol_pg_bool(rows, row, column++);
    receipt->commands_first = ol_pg_int64(rows, row, column++);
    receipt->commands_next = ol_pg_int64(rows, row, column++);
    receipt->steps_first = ol_pg_int64(rows, row, column++);
    receipt->steps_next = ol_pg_int64(rows, row, column++);
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        receipt->counts[i] = ol_pg_int32(rows, row, column++);
}

enum ol_class progress_read(const struct ol_pg_rows *rows, struct load_progress *ret_progress,
                            int32_t partition_count, struct ol_error *reterr)
{
    for (int32_t i = 0; i < partition_count; i++)
        ret_progress[i] = (struct load_progress){.last_offset = -1, .last_recorded_us = TIME_NONE};
    for (int row = 0; row < rows->count; row++) {
        int16_t partition = ol_pg_int16(rows, row, 0), version = ol_pg_int16(rows, row, 1);
        if (partition < 0 || partition >= partition_count)
            return ol_fail(reterr, OL_CONFLICT,
                           "the projection has a partition %d, but the topic has only %d of them",
                           partition, partition_count);
        if (version > PROJECTOR_VERSION)
            return ol_fail(reterr, OL_CONFLICT,
                           "the projection was written by a later program (version %d, this one "
                           "knows %d)",
                           version, PROJECTOR_VERSION);
        read_row(rows, row, &ret_progress[partition]);
    }
    return OL_OK;
}
