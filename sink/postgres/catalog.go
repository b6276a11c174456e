package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/lullcache/lull/sink"
)

// catalogQuerier is a pool, a connection or a transaction.
type catalogQuerier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// ReadCatalog describes the named tables, or all tables of the current schema if
// none is named. "name" is looked up on the search path, "schema.name" in its
// schema, both spelled as they are, without quotes. A table that is not there is
// left out. Any role may read what it reads.
//
// Keys that are deferrable are left out, since ON CONFLICT does not take them.
func ReadCatalog(ctx context.Context, q catalogQuerier, names []string) (*sink.Catalog, error) {
	if names == nil {
		names = []string{}
	}
	r := catalogReader{q: q, tables: map[uint32]*sink.Table{}}
	for _, read := range []func(context.Context) error{
		func(ctx context.Context) error { return r.readTables(ctx, names) },
		r.readColumns, r.readDefaults, r.readKeys, r.readForeignKeys,
	} {
		if err := read(ctx); err != nil {
			return nil, fmt.Errorf("catalog: %w", err)
		}
	}
	return &r.catalog, nil
}

// catalogReader gathers a catalog, query by query.
type catalogReader struct {
	q        catalogQuerier
	catalog  sink.Catalog
	tables   map[uint32]*sink.Table // by oid
	oids     []uint32
	defaults []columnDefault
}

// columnDefault is a column whose default looks like a constant.
type columnDefault struct {
	oid        uint32
	column     int
	expression string
}

// Type bits of pg_trigger.tgtype: 4 is INSERT, 16 is UPDATE. tgenabled is D for
// disabled and R for replicas only. Rules (ev_type 2: UPDATE, 3: INSERT) change what
// a statement does as triggers can.
const tablesQuery = `
SELECT c.oid, CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname END, c.relname, c.relkind IN ('v', 'm'),
	EXISTS (SELECT FROM pg_trigger t
		WHERE (t.tgrelid = c.oid OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid)))
		AND NOT t.tgisinternal AND t.tgenabled NOT IN ('D', 'R') AND t.tgtype & 20 <> 0)
	OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type IN ('2', '3') AND w.ev_enabled NOT IN ('D', 'R'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND CASE WHEN cardinality($1::text[]) = 0 THEN n.nspname = current_schema()
	ELSE c.relname = ANY ($1) AND pg_table_is_visible(c.oid) OR n.nspname || '.' || c.relname = ANY ($1) END
ORDER BY n.nspname, c.relname`

func (r *catalogReader) readTables(ctx context.Context, names []string) error {
	return r.each(ctx, "tables", tablesQuery, []any{names}, func(rows pgx.Rows) error {
		var oid uint32
		t := &sink.Table{}
		if err := rows.Scan(&oid, &t.Schema, &t.Name, &t.View, &t.Triggers); err != nil {
			return err
		}
		r.oids = append(r.oids, oid)
		r.tables[oid] = t
		r.catalog.Tables = append(r.catalog.Tables, t)
		return nil
	})
}

// The recursion follows domains down to their base type. A domain may bring the
// type's modifier (a length, say), NOT NULL and a default; the default nearest to
// the column wins.
const columnsQuery = `
WITH RECURSIVE base AS (
	SELECT a.attrelid, a.attnum, a.atttypid AS typ, a.atttypmod AS mod, a.attnotnull AS filled,
		pg_get_expr(d.adbin, d.adrelid) AS expression
	FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
	SELECT b.attrelid, b.attnum, t.typbasetype, t.typtypmod, b.filled OR t.typnotnull,
		coalesce(b.expression, pg_get_expr(t.typdefaultbin, 0))
	FROM base b JOIN pg_type t ON t.oid = b.typ WHERE t.typtype = 'd'
)
SELECT a.attrelid, a.attname, t.typname, t.typtype = 'e', t.typnamespace = 'pg_catalog'::regnamespace, b.mod,
	format_type(b.typ, b.mod), b.filled, b.expression, a.attidentity::text, a.attgenerated::text,
	coalesce(l.collisdeterministic, true), getdatabaseencoding(),
	ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.typ ORDER BY e.enumsortorder)
FROM base b JOIN pg_attribute a USING (attrelid, attnum) JOIN pg_type t ON t.oid = b.typ AND t.typtype <> 'd'
	LEFT JOIN pg_collation l ON l.oid = a.attcollation
ORDER BY a.attrelid, a.attnum`

func (r *catalogReader) readColumns(ctx context.Context) error {
	return r.each(ctx, "columns", columnsQuery, []any{r.oids}, func(rows pgx.Rows) error {
		var oid uint32
		var c sink.Column
		var typ typeRow
		var filled, deterministic bool
		var expression *string
		var identity, generated string
		if err := rows.Scan(&oid, &c.Name, &typ.name, &typ.enum, &typ.builtin, &typ.mod, &typ.sql, &filled, &expression,
			&identity, &generated, &deterministic, &typ.encoding, &typ.labels); err != nil {
			return err
		}
		t := r.tables[oid]
		c.Type = typ.resolve()
		c.Nullable = !filled
		c.Insertable = identity != "a" && generated == ""
		c.CaseSensitive = c.Type.Family == sink.Text && deterministic && typ.name != "citext"
		switch {
		case identity != "" || generated != "":
			c.Made = true
		case expression != nil && constantExpression(&c.Type, *expression):
			r.defaults = append(r.defaults, columnDefault{oid: oid, column: len(t.Columns), expression: *expression})
		case expression != nil:
			c.Made = true
		}
		t.Columns = append(t.Columns, c)
		return nil
	})
}

// Partial indexes, indexes on expressions and invalid ones are no keys; columns
// that are only INCLUDEd (beyond indnkeyatts) do not count.
const keysQuery = `
SELECT i.indrelid, i.indisprimary,
	ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k (num, place)
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE k.place <= i.indnkeyatts ORDER BY k.place)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indrelid, c.relname`

func (r *catalogReader) readKeys(ctx context.Context) error {
	return r.each(ctx, "keys", keysQuery, []any{r.oids}, func(rows pgx.Rows) error {
		var oid uint32
		var primary bool
		var columns []string
		if err := rows.Scan(&oid, &primary, &columns); err != nil {
			return err
		}
		if t := r.tables[oid]; primary {
			t.PrimaryKey = columns
		} else {
			t.Unique = append(t.Unique, columns)
		}
		return nil
	})
}

// A foreign key to a partitioned table has a twin on the same table for each
// partition; the twins are left out.
const foreignKeysQuery = `
SELECT f.conrelid, f.conname, CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname END, p.relname,
	f.confdeltype::text, f.confupdtype::text, f.condeferrable, f.condeferred,
	ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY k (num, place)
		JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num ORDER BY k.place),
	ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY k (num, place)
		JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num ORDER BY k.place)
FROM pg_constraint f JOIN pg_class p ON p.oid = f.confrelid JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE f.contype = 'f' AND f.conrelid = ANY ($1)
	AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.oid = f.conparentid AND o.conrelid = f.conrelid)
ORDER BY f.conrelid, f.conname`

var foreignKeyActions = map[string]string{"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}

func (r *catalogReader) readForeignKeys(ctx context.Context) error {
	return r.each(ctx, "foreign keys", foreignKeysQuery, []any{r.oids}, func(rows pgx.Rows) error {
		var oid uint32
		var f sink.ForeignKey
		var onDelete, onUpdate string
		if err := rows.Scan(&oid, &f.Name, &f.RefSchema, &f.RefTable, &onDelete, &onUpdate, &f.Deferrable, &f.Deferred,
			&f.Columns, &f.RefColumns); err != nil {
			return err
		}
		f.OnDelete, f.OnUpdate = foreignKeyActions[onDelete], foreignKeyActions[onUpdate]
		t := r.tables[oid]
		t.ForeignKeys = append(t.ForeignKeys, f)
		return nil
	})
}

// each runs a query and calls scan for each of its rows.
func (r *catalogReader) each(ctx context.Context, what, query string, args []any, scan func(pgx.Rows) error) error {
	rows, err := r.q.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
