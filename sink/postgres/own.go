package postgres

import (
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// newOwn describes Lull's own tables.
func newOwn(schema string) *sqlsink.Own {
	text := sink.Type{Family: sink.Text, SQL: "text"}
	bytes := sink.Type{Family: sink.Binary, SQL: "bytea"}
	ddl := ownDDL
	if schema != "" {
		ddl = "CREATE SCHEMA IF NOT EXISTS " + quote(schema) + "\n;\n" + ddl
	}
	return sqlsink.NewOwn(sqlsink.OwnTypes{
		Name: text, Text: text, LongText: text, Key: bytes, StringKey: bytes, Bytes: bytes,
		Small: sink.Type{Family: sink.Integer, SQL: "integer", Bits: 32},
		Big:   sink.Type{Family: sink.Integer, SQL: "bigint", Bits: 64},
		Float: sink.Type{Family: sink.FloatNum, SQL: "double precision", Bits: 64, Infinite: true},
		Stamp: sink.Type{Family: sink.TimestampTZ, SQL: "timestamp with time zone", Precision: 6, MinYear: 1, MaxYear: 9999},
	}, ddl, "2006-01-02T15:04:05.000000Z", func(name string) string {
		return syntax.TableName(&sink.Table{Schema: schema, Name: name})
	})
}

// ownDDL makes no schema where it need not, since that takes a right of its own.
const ownDDL = `
CREATE TABLE IF NOT EXISTS {lull_lanes} (
	name text NOT NULL,
	lane text NOT NULL,
	log_id text NOT NULL,
	epoch bigint NOT NULL,
	position bigint NOT NULL,
	next_position bigint NOT NULL,
	part bigint NOT NULL,
	catching_up boolean NOT NULL,
	sealed boolean NOT NULL,
	flushed_at timestamptz NOT NULL,
	PRIMARY KEY (name, lane)
)
;
CREATE TABLE IF NOT EXISTS {lull_dead_letters} (
	name text NOT NULL,
	id bigint NOT NULL,
	lane text NOT NULL,
	state text NOT NULL,
	position bigint NOT NULL,
	at timestamptz NOT NULL,
	code text NOT NULL,
	message text NOT NULL,
	schema_name text NOT NULL,
	table_name text NOT NULL,
	op text NOT NULL,
	row_key text NOT NULL,
	data text NOT NULL,
	PRIMARY KEY (name, id)
)
;
CREATE TABLE IF NOT EXISTS {lull_keys} (
	name text NOT NULL,
	db integer NOT NULL,
	key bytea NOT NULL,
	type text NOT NULL,
	expires_at timestamptz,
	meta text,
	PRIMARY KEY (name, db, key)
)
;
CREATE TABLE IF NOT EXISTS {lull_strings} (
	name text NOT NULL,
	db integer NOT NULL,
	key bytea NOT NULL,
	value bytea NOT NULL,
	expires_at timestamptz,
	PRIMARY KEY (name, db, key)
)
;
CREATE TABLE IF NOT EXISTS {lull_hashes} (
	name text NOT NULL,
	db integer NOT NULL,
	key bytea NOT NULL,
	field bytea NOT NULL,
	value bytea NOT NULL,
	PRIMARY KEY (name, db, key, field),
	FOREIGN KEY (name, db, key) REFERENCES {lull_keys} (name, db, key) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS {lull_zsets} (
	name text NOT NULL,
	db integer NOT NULL,
	key bytea NOT NULL,
	member bytea NOT NULL,
	score double precision NOT NULL,
	PRIMARY KEY (name, db, key, member),
	FOREIGN KEY (name, db, key) REFERENCES {lull_keys} (name, db, key) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS {lull_sets} (
	name text NOT NULL,
	db integer NOT NULL,
	key bytea NOT NULL,
	member bytea NOT NULL,
	PRIMARY KEY (name, db, key, member),
	FOREIGN KEY (name, db, key) REFERENCES {lull_keys} (name, db, key) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS {lull_lists} (
	name text NOT NULL,
	db integer NOT NULL,
	key bytea NOT NULL,
	position bigint NOT NULL,
	value bytea NOT NULL,
	PRIMARY KEY (name, db, key, position),
	FOREIGN KEY (name, db, key) REFERENCES {lull_keys} (name, db, key) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS {lull_streams} (
	name text NOT NULL,
	db integer NOT NULL,
	key bytea NOT NULL,
	ms bigint NOT NULL,
	seq bigint NOT NULL,
	fields text NOT NULL,
	PRIMARY KEY (name, db, key, ms, seq),
	FOREIGN KEY (name, db, key) REFERENCES {lull_keys} (name, db, key) ON DELETE CASCADE
)
;
CREATE INDEX IF NOT EXISTS lull_keys_expires_at ON {lull_keys} (name, expires_at) WHERE expires_at IS NOT NULL
;
CREATE INDEX IF NOT EXISTS lull_strings_expires_at ON {lull_strings} (name, expires_at) WHERE expires_at IS NOT NULL
;
CREATE OR REPLACE VIEW {lull_keys_text} AS
SELECT name, db, ` + keyText + `, type, expires_at, meta FROM {lull_keys}
;
CREATE OR REPLACE VIEW {lull_strings_text} AS
SELECT name, db, ` + keyText + `, ` + valueText + `, expires_at FROM {lull_strings}
;
CREATE OR REPLACE VIEW {lull_hashes_text} AS
SELECT name, db, ` + keyText + `, ` + fieldText + `, ` + valueText + ` FROM {lull_hashes}
;
CREATE OR REPLACE VIEW {lull_zsets_text} AS
SELECT name, db, ` + keyText + `, ` + memberText + `, score FROM {lull_zsets}
;
CREATE OR REPLACE VIEW {lull_sets_text} AS
SELECT name, db, ` + keyText + `, ` + memberText + ` FROM {lull_sets}
;
CREATE OR REPLACE VIEW {lull_lists_text} AS
SELECT name, db, ` + keyText + `, position, ` + valueText + ` FROM {lull_lists}
;
CREATE OR REPLACE VIEW {lull_streams_text} AS
SELECT name, db, ` + keyText + `, ms || '-' || seq AS id, fields FROM {lull_streams}
`

// PostgreSQL has no function that says whether bytes are UTF-8, so a regular
// expression over their hexadecimal digits does: without NUL, overlong forms and
// surrogates. Other bytes are shown in escape form.
const (
	utf8Hex = `'^(0[1-9a-f]|[1-7][0-9a-f]|(c[2-9a-f]|d[0-9a-f])[89ab][0-9a-f]|e0[ab][0-9a-f][89ab][0-9a-f]` +
		`|(e[1-9abcef]|ed(?=[89]))([89ab][0-9a-f]){2}` +
		`|f0[9ab][0-9a-f]([89ab][0-9a-f]){2}|f[1-3]([89ab][0-9a-f]){3}|f48[0-9a-f]([89ab][0-9a-f]){2})*$'`

	keyText    = `CASE WHEN encode(key, 'hex') ~ ` + utf8Hex + ` THEN convert_from(key, 'UTF8') ELSE encode(key, 'escape') END AS key`
	fieldText  = `CASE WHEN encode(field, 'hex') ~ ` + utf8Hex + ` THEN convert_from(field, 'UTF8') ELSE encode(field, 'escape') END AS field`
	memberText = `CASE WHEN encode(member, 'hex') ~ ` + utf8Hex + ` THEN convert_from(member, 'UTF8') ELSE encode(member, 'escape') END AS member`
	valueText  = `CASE WHEN encode(value, 'hex') ~ ` + utf8Hex + ` THEN convert_from(value, 'UTF8') ELSE encode(value, 'escape') END AS value`
)
