package sqlite

import (
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// newOwn describes Lull's own tables. Bytes stand in columns without a type: they
// are text where they are UTF-8 without NUL, so that the tables can be read, and
// '042' stays as it is.
func newOwn() *sqlsink.Own {
	text := sink.Type{Family: sink.Text, SQL: "TEXT", NUL: true}
	integer := sink.Type{Family: sink.Integer, SQL: "INTEGER", Bits: 64}
	bytes := sink.Type{Family: sink.Binary}
	return sqlsink.NewOwn(sqlsink.OwnTypes{
		Name: text, Small: integer, Big: integer, Text: text, LongText: text,
		Key: bytes, StringKey: bytes, Bytes: bytes,
		Float: sink.Type{Family: sink.FloatNum, SQL: "REAL", Bits: 64, Infinite: true},
		Stamp: sink.Type{Family: sink.TimestampTZ, SQL: "TEXT", Precision: 3, MinYear: 1, MaxYear: 9999},
	}, ownDDL, "2006-01-02T15:04:05.000Z", quote)
}

const ownDDL = `
CREATE TABLE IF NOT EXISTS {lull_lanes} (
	name TEXT NOT NULL,
	lane TEXT NOT NULL,
	log_id TEXT NOT NULL,
	epoch INTEGER NOT NULL,
	position INTEGER NOT NULL,
	next_position INTEGER NOT NULL,
	part INTEGER NOT NULL,
	catching_up INTEGER NOT NULL,
	sealed INTEGER NOT NULL,
	flushed_at TEXT NOT NULL,
	PRIMARY KEY (name, lane)
) WITHOUT ROWID
;
CREATE TABLE IF NOT EXISTS {lull_dead_letters} (
	name TEXT NOT NULL,
	id INTEGER NOT NULL,
	lane TEXT NOT NULL,
	state TEXT NOT NULL,
	position INTEGER NOT NULL,
	at TEXT NOT NULL,
	code TEXT NOT NULL,
	message TEXT NOT NULL,
	schema_name TEXT NOT NULL,
	table_name TEXT NOT NULL,
	op TEXT NOT NULL,
	row_key TEXT NOT NULL,
	data TEXT NOT NULL,
	PRIMARY KEY (name, id)
)
;
CREATE TABLE IF NOT EXISTS {lull_keys} (
	name TEXT NOT NULL,
	db INTEGER NOT NULL,
	key NOT NULL,
	type TEXT NOT NULL,
	expires_at TEXT,
	meta TEXT,
	PRIMARY KEY (name, db, key)
) WITHOUT ROWID
;
CREATE TABLE IF NOT EXISTS {lull_strings} (
	name TEXT NOT NULL,
	db INTEGER NOT NULL,
	key NOT NULL,
	value NOT NULL,
	expires_at TEXT,
	PRIMARY KEY (name, db, key)
)
;
CREATE TABLE IF NOT EXISTS {lull_hashes} (
	name TEXT NOT NULL,
	db INTEGER NOT NULL,
	key NOT NULL,
	field NOT NULL,
	value NOT NULL,
	PRIMARY KEY (name, db, key, field),
	FOREIGN KEY (name, db, key) REFERENCES lull_keys (name, db, key) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS {lull_zsets} (
	name TEXT NOT NULL,
	db INTEGER NOT NULL,
	key NOT NULL,
	member NOT NULL,
	score REAL NOT NULL,
	PRIMARY KEY (name, db, key, member),
	FOREIGN KEY (name, db, key) REFERENCES lull_keys (name, db, key) ON DELETE CASCADE
) WITHOUT ROWID
;
CREATE TABLE IF NOT EXISTS {lull_sets} (
	name TEXT NOT NULL,
	db INTEGER NOT NULL,
	key NOT NULL,
	member NOT NULL,
	PRIMARY KEY (name, db, key, member),
	FOREIGN KEY (name, db, key) REFERENCES lull_keys (name, db, key) ON DELETE CASCADE
) WITHOUT ROWID
;
CREATE TABLE IF NOT EXISTS {lull_lists} (
	name TEXT NOT NULL,
	db INTEGER NOT NULL,
	key NOT NULL,
	position INTEGER NOT NULL,
	value NOT NULL,
	PRIMARY KEY (name, db, key, position),
	FOREIGN KEY (name, db, key) REFERENCES lull_keys (name, db, key) ON DELETE CASCADE
)
;
CREATE TABLE IF NOT EXISTS {lull_streams} (
	name TEXT NOT NULL,
	db INTEGER NOT NULL,
	key NOT NULL,
	ms INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	fields TEXT NOT NULL,
	PRIMARY KEY (name, db, key, ms, seq),
	FOREIGN KEY (name, db, key) REFERENCES lull_keys (name, db, key) ON DELETE CASCADE
)
;
CREATE INDEX IF NOT EXISTS lull_keys_expires_at ON lull_keys (name, expires_at) WHERE expires_at IS NOT NULL
;
CREATE INDEX IF NOT EXISTS lull_strings_expires_at ON lull_strings (name, expires_at) WHERE expires_at IS NOT NULL
;
CREATE VIEW IF NOT EXISTS {lull_keys_text} AS
SELECT name, db, ` + keyText + `, type, expires_at, meta FROM lull_keys
;
CREATE VIEW IF NOT EXISTS {lull_strings_text} AS
SELECT name, db, ` + keyText + `, ` + valueText + `, expires_at FROM lull_strings
;
CREATE VIEW IF NOT EXISTS {lull_hashes_text} AS
SELECT name, db, ` + keyText + `, iif(typeof(field) = 'blob', '0x' || hex(field), field) AS field, ` + valueText + ` FROM lull_hashes
;
CREATE VIEW IF NOT EXISTS {lull_zsets_text} AS
SELECT name, db, ` + keyText + `, ` + memberText + `, score FROM lull_zsets
;
CREATE VIEW IF NOT EXISTS {lull_sets_text} AS
SELECT name, db, ` + keyText + `, ` + memberText + ` FROM lull_sets
;
CREATE VIEW IF NOT EXISTS {lull_lists_text} AS
SELECT name, db, ` + keyText + `, position, ` + valueText + ` FROM lull_lists
;
CREATE VIEW IF NOT EXISTS {lull_streams_text} AS
SELECT name, db, ` + keyText + `, ms || '-' || seq AS id, fields FROM lull_streams
`

// What is no text is shown in hexadecimal digits.
const (
	keyText    = `iif(typeof(key) = 'blob', '0x' || hex(key), key) AS key`
	memberText = `iif(typeof(member) = 'blob', '0x' || hex(member), member) AS member`
	valueText  = `iif(typeof(value) = 'blob', '0x' || hex(value), value) AS value`
)
