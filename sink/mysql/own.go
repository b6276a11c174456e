package mysql

import (
	"regexp"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// keyBytes is the longest key, field or member of a collection: an index of InnoDB
// takes 3,072 bytes, and a key with a member stands in one beside the name and the
// database number. stringKeyBytes is the longest key of a string.
const (
	keyBytes       = 1500
	stringKeyBytes = 2000
)

// newOwn describes Lull's own tables. A double holds no infinity, and the index
// limits keys and members to 1,500 bytes each: the descriptions say so.
func newOwn(schema string) *sqlsink.Own {
	text := sink.Type{Family: sink.Text, SQL: "longtext", NUL: true}
	binary := func(sql string, length int) sink.Type {
		return sink.Type{Family: sink.Binary, SQL: sql, Length: length}
	}
	ddl := ownDDL()
	if schema != "" {
		ddl = "CREATE DATABASE IF NOT EXISTS " + quote(schema) + " CHARACTER SET utf8mb4\n;\n" + ddl
	}
	return sqlsink.NewOwn(sqlsink.OwnTypes{
		Name: text, Text: text, LongText: text,
		Key: binary("varbinary(1500)", keyBytes), StringKey: binary("varbinary(2000)", stringKeyBytes), Bytes: binary("longblob", 0),
		Small: sink.Type{Family: sink.Integer, SQL: "smallint", Bits: 16},
		Big:   sink.Type{Family: sink.Integer, SQL: "bigint", Bits: 64},
		Float: sink.Type{Family: sink.FloatNum, SQL: "double", Bits: 64},
		Stamp: sink.Type{Family: sink.TimestampTZ, SQL: "datetime(3)", Precision: 3, MinYear: 1000, MaxYear: 9999},
	}, ddl, "2006-01-02 15:04:05.000000", func(name string) string {
		return syntax.TableName(&sink.Table{Schema: schema, Name: name})
	})
}

// ownDDL spells out what the statements have in common. Bytes that are no text are
// shown in hexadecimal digits: they differ after the way to utf8mb4 and back.
func ownDDL() string {
	ddl := strings.NewReplacer(
		"NAME", "varchar(64) CHARACTER SET ascii COLLATE ascii_bin",
		"OPTIONS", "ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	).Replace(ddlTemplate)
	return regexp.MustCompile(`TEXT\((\w+)\)`).ReplaceAllString(ddl,
		"if(CONVERT(CONVERT(`$1` USING utf8mb4) USING binary) = `$1`, CONVERT(`$1` USING utf8mb4), concat('0x', hex(`$1`))) AS `$1`")
}

var ddlTemplate = strings.ReplaceAll(`
CREATE TABLE IF NOT EXISTS {lull_lanes} (
	~name~ NAME NOT NULL,
	~lane~ NAME NOT NULL,
	~log_id~ varchar(255) NOT NULL,
	~epoch~ bigint NOT NULL,
	~position~ bigint NOT NULL,
	~next_position~ bigint NOT NULL,
	~part~ bigint NOT NULL,
	~catching_up~ tinyint(1) NOT NULL,
	~sealed~ tinyint(1) NOT NULL,
	~flushed_at~ datetime(6) NOT NULL,
	PRIMARY KEY (~name~, ~lane~)
) OPTIONS
;
CREATE TABLE IF NOT EXISTS {lull_dead_letters} (
	~name~ NAME NOT NULL,
	~id~ bigint NOT NULL,
	~lane~ NAME NOT NULL,
	~state~ varchar(32) NOT NULL,
	~position~ bigint NOT NULL,
	~at~ datetime(3) NOT NULL,
	~code~ varchar(255) NOT NULL,
	~message~ text NOT NULL,
	~schema_name~ varchar(255) NOT NULL,
	~table_name~ varchar(255) NOT NULL,
	~op~ varchar(32) NOT NULL,
	~row_key~ longtext NOT NULL,
	~data~ longtext NOT NULL,
	PRIMARY KEY (~name~, ~id~)
) OPTIONS
;
CREATE TABLE IF NOT EXISTS {lull_keys} (
	~name~ NAME NOT NULL,
	~db~ smallint NOT NULL,
	~key~ varbinary(1500) NOT NULL,
	~type~ varchar(32) NOT NULL,
	~expires_at~ datetime(3),
	~meta~ longtext,
	PRIMARY KEY (~name~, ~db~, ~key~),
	KEY ~lull_keys_expires_at~ (~name~, ~expires_at~)
) OPTIONS
;
CREATE TABLE IF NOT EXISTS {lull_strings} (
	~name~ NAME NOT NULL,
	~db~ smallint NOT NULL,
	~key~ varbinary(2000) NOT NULL,
	~value~ longblob NOT NULL,
	~expires_at~ datetime(3),
	PRIMARY KEY (~name~, ~db~, ~key~),
	KEY ~lull_strings_expires_at~ (~name~, ~expires_at~)
) OPTIONS
;
CREATE TABLE IF NOT EXISTS {lull_hashes} (
	~name~ NAME NOT NULL,
	~db~ smallint NOT NULL,
	~key~ varbinary(1500) NOT NULL,
	~field~ varbinary(1500) NOT NULL,
	~value~ longblob NOT NULL,
	PRIMARY KEY (~name~, ~db~, ~key~, ~field~),
	FOREIGN KEY (~name~, ~db~, ~key~) REFERENCES {lull_keys} (~name~, ~db~, ~key~) ON DELETE CASCADE
) OPTIONS
;
CREATE TABLE IF NOT EXISTS {lull_zsets} (
	~name~ NAME NOT NULL,
	~db~ smallint NOT NULL,
	~key~ varbinary(1500) NOT NULL,
	~member~ varbinary(1500) NOT NULL,
	~score~ double NOT NULL,
	PRIMARY KEY (~name~, ~db~, ~key~, ~member~),
	FOREIGN KEY (~name~, ~db~, ~key~) REFERENCES {lull_keys} (~name~, ~db~, ~key~) ON DELETE CASCADE
) OPTIONS
;
CREATE TABLE IF NOT EXISTS {lull_sets} (
	~name~ NAME NOT NULL,
	~db~ smallint NOT NULL,
	~key~ varbinary(1500) NOT NULL,
	~member~ varbinary(1500) NOT NULL,
	PRIMARY KEY (~name~, ~db~, ~key~, ~member~),
	FOREIGN KEY (~name~, ~db~, ~key~) REFERENCES {lull_keys} (~name~, ~db~, ~key~) ON DELETE CASCADE
) OPTIONS
;
CREATE TABLE IF NOT EXISTS {lull_lists} (
	~name~ NAME NOT NULL,
	~db~ smallint NOT NULL,
	~key~ varbinary(1500) NOT NULL,
	~position~ bigint NOT NULL,
	~value~ longblob NOT NULL,
	PRIMARY KEY (~name~, ~db~, ~key~, ~position~),
	FOREIGN KEY (~name~, ~db~, ~key~) REFERENCES {lull_keys} (~name~, ~db~, ~key~) ON DELETE CASCADE
) OPTIONS
;
CREATE TABLE IF NOT EXISTS {lull_streams} (
	~name~ NAME NOT NULL,
	~db~ smallint NOT NULL,
	~key~ varbinary(1500) NOT NULL,
	~ms~ bigint NOT NULL,
	~seq~ bigint NOT NULL,
	~fields~ longtext NOT NULL,
	PRIMARY KEY (~name~, ~db~, ~key~, ~ms~, ~seq~),
	FOREIGN KEY (~name~, ~db~, ~key~) REFERENCES {lull_keys} (~name~, ~db~, ~key~) ON DELETE CASCADE
) OPTIONS
;
CREATE OR REPLACE VIEW {lull_keys_text} AS
SELECT ~name~, ~db~, TEXT(key), ~type~, ~expires_at~, ~meta~ FROM {lull_keys}
;
CREATE OR REPLACE VIEW {lull_strings_text} AS
SELECT ~name~, ~db~, TEXT(key), TEXT(value), ~expires_at~ FROM {lull_strings}
;
CREATE OR REPLACE VIEW {lull_hashes_text} AS
SELECT ~name~, ~db~, TEXT(key), TEXT(field), TEXT(value) FROM {lull_hashes}
;
CREATE OR REPLACE VIEW {lull_zsets_text} AS
SELECT ~name~, ~db~, TEXT(key), TEXT(member), ~score~ FROM {lull_zsets}
;
CREATE OR REPLACE VIEW {lull_sets_text} AS
SELECT ~name~, ~db~, TEXT(key), TEXT(member) FROM {lull_sets}
;
CREATE OR REPLACE VIEW {lull_lists_text} AS
SELECT ~name~, ~db~, TEXT(key), ~position~, TEXT(value) FROM {lull_lists}
;
CREATE OR REPLACE VIEW {lull_streams_text} AS
SELECT ~name~, ~db~, TEXT(key), concat(~ms~, '-', ~seq~) AS ~id~, ~fields~ FROM {lull_streams}
`, "~", "`")
