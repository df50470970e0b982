/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself: every row of every table is complete, documented once, and its default is what
 * it says. */
#include "conf/load.h"
#include "loading.h"

static void check_row(const struct fields_row *row, const struct fields_table *table)
{
    bool nested =
        row->type == FIELDS_GROUP || row->type == FIELDS_VARIANT || row->type == FIELDS_HEADERS;
    bool by_others = strcmp(row->key, "port") == 0 || strcmp(row->key, "priority") == 0;
    assert_non_null(row->key);
    assert_non_null(row->doc);
    assert_int_equal(row->doc[strlen(row->doc) - 1], '.');
    assert_true(row->offset < table->size);
    assert_true(row->preset || nested || by_others || (row->flags & FIELDS_REQUIRED));
    assert_false(row->preset && (row->flags & FIELDS_REQUIRED));
    assert_int_equal(row->type == FIELDS_VARIANT, row->variant != NULL);
    assert_int_equal(row->type == FIELDS_GROUP || row->type == FIELDS_LIST ||
                         row->type == FIELDS_MAP,
                     row->table != NULL);
    assert_false((row->type == FIELDS_ENUM || row->type == FIELDS_FLAGS) && !row->names);
    if ((row->type == FIELDS_INT && !row->names) || row->type == FIELDS_SIZE ||
        row->type == FIELDS_NUMBER || row->type == FIELDS_INTS)
        assert_true(row->min < row->max);
}

static void check_table(const struct fields_table *table)
{
    assert_non_null(table->title);
    assert_non_null(table->doc);
    for (size_t i = 0; i < table->rows_n; i++) {
        check_row(&table->rows[i], table);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(table->rows[i].key, table->rows[k].key);
        if (table->rows[i].table)
            check_table(table->rows[i].table);
    }
}

static void test_rows(void **state)
{
    (void)state;
    check_table(&fields_top);
    for (int kind = 0; kind < CONF_PLUGIN_KINDS; kind++)
        check_table(plugin_table((enum conf_plugin_kind)kind));
}

/* Making the defaults of every table reports nothing. */
static void test_presets(void **state)
{
    (void)state;
    jmp_buf out;
    static struct memory memory, scratch;
    memory.no_memory = scratch.no_memory = &out;
    if (setjmp(out))
        fail();
    struct report report = { .memory = &scratch, .file = "f" };
    struct reader reader = { .memory = &memory, .scratch = &scratch, .report = &report };
    static const struct fields_table *const tables[] = {
        &fields_top,          &upstream_fields_table, &service_fields_table,      &consumers_fields,
        &certificates_fields, &plugin_fields,         &certificates_client_fields
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        assert_non_null(reader_preset(&reader, tables[i]));
    for (int kind = 0; kind < CONF_PLUGIN_KINDS; kind++)
        assert_non_null(reader_preset(&reader, plugin_table((enum conf_plugin_kind)kind)));
    assert_int_equal(report.n, 0);
    memory_free(&scratch);
    memory_free(&memory);
}

static void test_ranges_of_the_top_level(void **state)
{
    (void)state;
    refused("workers = 121;", "t.conf:1: workers: 121 is out of range, 0 to 120\n");
    refused("worker_connections = 63;",
            "t.conf:1: worker_connections: 63 is out of range, 64 to 4194304\n");
    refused("access_log_format = \"xml\";",
            "t.conf:1: access_log_format: \"xml\" is not one of: json, combined\n");
    refused("client_header_buffer_size = 1023;",
            "t.conf:1: client_header_buffer_size: 1023 bytes is out of range, 1k to 1m\n");
    refused("control_socket_mode = \"0999\";",
            "t.conf:1: control_socket_mode: \"0999\" is not a mode like \"0660\"\n");
    refused("real_ip_header = \"a b\";",
            "t.conf:1: real_ip_header: \"a b\" is not a header's name\n");
    refused("user = \"\";", "t.conf:1: user: must not be empty\n");
    refused("shared_dicts = ( { name = \"a\"; size = \"1023k\"; } );",
            "t.conf:1: shared_dicts[0].size: 1047552 bytes is out of range, 1m to 65536g\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_ranges_of_the_top_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
