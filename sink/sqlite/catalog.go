package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// ReadCatalog describes the named tables ("name" in the main database, or
// "attached.name"), or all tables of the main database if none is named. A table
// that is not there is left out. Virtual tables are described like others.
//
// SQLite lets any value into any column. The types here are what the declared ones
// promise, which Lull then keeps to; see resolveType.
func ReadCatalog(ctx context.Context, q sqlsink.Querier, names []string) (*sink.Catalog, error) {
	r := catalogReader{q: q}
	err := r.readTables(ctx, names)
	for _, t := range r.tables {
		for _, read := range []func(context.Context, *catalogTable) error{
			r.readColumns, r.readCollations, r.readDefaults, r.readKeys, r.readForeignKeys, r.readTriggers,
		} {
			if err == nil {
				err = read(ctx, t)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	var c sink.Catalog
	for _, t := range r.tables {
		c.Tables = append(c.Tables, &t.Table)
	}
	return &c, nil
}

// catalogReader gathers a catalog, table by table.
type catalogReader struct {
	q      sqlsink.Querier
	tables []*catalogTable
}

// catalogTable is a table with what its reading needs.
type catalogTable struct {
	sink.Table
	database     string // "main", or the name it was attached by
	ddl          string // the statement that made it, as it was written
	withoutRowID bool
	strict       bool
	defaults     []sql.NullString // SQL, as Columns
}

const mainDatabase = "main"

func (r *catalogReader) readTables(ctx context.Context, names []string) error {
	const query = `SELECT schema, name, type = 'view', wr, strict FROM pragma_table_list
WHERE type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY schema, name`
	err := sqlsink.EachRow(ctx, r.q, "tables", query, nil, func(rows *sql.Rows) error {
		t := &catalogTable{}
		if err := rows.Scan(&t.database, &t.Name, &t.View, &t.withoutRowID, &t.strict); err != nil {
			return err
		}
		if t.database != mainDatabase {
			t.Schema = t.database
		}
		asked := len(names) == 0 || slices.Contains(names, t.Name) || slices.Contains(names, t.database+"."+t.Name)
		if t.database != mainDatabase {
			asked = slices.Contains(names, t.database+"."+t.Name)
		}
		if asked {
			r.tables = append(r.tables, t)
		}
		return nil
	})
	for _, t := range r.tables {
		query := "SELECT coalesce(max(sql), '') FROM " + quoteName(t.database) + ".sqlite_schema WHERE name = ? AND type IN ('table', 'view')"
		if err == nil {
			err = sqlsink.EachRow(ctx, r.q, "statement of "+t.String(), query, []any{t.Name}, func(rows *sql.Rows) error { return rows.Scan(&t.ddl) })
		}
	}
	return err
}

// Columns that table_xinfo calls hidden: 1 is a virtual table's hidden one, 2 and
// 3 are generated.
func (r *catalogReader) readColumns(ctx context.Context, t *catalogTable) error {
	const query = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1 ORDER BY cid"
	places := map[string]int{}
	err := sqlsink.EachRow(ctx, r.q, "columns of "+t.String(), query, []any{t.Name, t.database}, func(rows *sql.Rows) error {
		var c sink.Column
		var declared string
		var filled bool
		var expression sql.NullString
		var place, hidden int
		if err := rows.Scan(&c.Name, &declared, &filled, &expression, &place, &hidden); err != nil {
			return err
		}
		c.Type = resolveType(declared, t.strict)
		c.Made, c.Insertable = hidden >= 2, hidden < 2
		c.Nullable = !filled && !(place > 0 && t.withoutRowID)
		if place > 0 {
			t.PrimaryKey = append(t.PrimaryKey, c.Name)
			places[c.Name] = place
		}
		t.Columns, t.defaults = append(t.Columns, c), append(t.defaults, expression)
		return nil
	})
	slices.SortFunc(t.PrimaryKey, func(a, b string) int { return cmp.Compare(places[a], places[b]) })
	return err
}

// readCollations asks SQLite itself to compare, since no pragma tells a column's
// collation: a compound SELECT's column has the collation of its first part, which
// is here the column, without a row.
func (r *catalogReader) readCollations(ctx context.Context, t *catalogTable) error {
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Type.Family != sink.Text {
			continue
		}
		query := fmt.Sprintf("SELECT v <> 'A' AND v <> 'a ' FROM (SELECT %s AS v FROM %s.%s WHERE 0 UNION ALL SELECT 'a')",
			quoteName(c.Name), quoteName(t.database), quoteName(t.Name))
		if err := sqlsink.EachRow(ctx, r.q, "collation of "+t.String()+"."+c.Name, query, nil, func(rows *sql.Rows) error {
			return rows.Scan(&c.CaseSensitive)
		}); err != nil {
			return err
		}
	}
	return nil
}

// readKeys leaves out partial indexes and those on expressions. An index whose
// collation is not the column's is none for ON CONFLICT, and is left out too as far
// as that can be told. A primary key without an index of its own is the rowid.
func (r *catalogReader) readKeys(ctx context.Context, t *catalogTable) error {
	const query = `SELECT l.name, l.origin, x.cid, coalesce(x.name, ''), x.coll
FROM pragma_index_list(?1, ?2) l JOIN pragma_index_xinfo(l.name, ?2) x
WHERE l."unique" AND NOT l.partial AND x.key ORDER BY l.name, x.seqno`
	var indexes []string
	keys, unfit := map[string][]string{}, map[string]bool{}
	indexed := false
	err := sqlsink.EachRow(ctx, r.q, "keys of "+t.String(), query, []any{t.Name, t.database}, func(rows *sql.Rows) error {
		var index, origin, column, collation string
		var id int
		if err := rows.Scan(&index, &origin, &id, &column, &collation); err != nil {
			return err
		}
		if origin == "pk" {
			indexed = true
			return nil
		}
		if !slices.Contains(indexes, index) {
			indexes = append(indexes, index)
		}
		i := t.Column(column)
		unfit[index] = unfit[index] || id < 0 || i < 0 || t.Columns[i].CaseSensitive && !strings.EqualFold(collation, "BINARY")
		keys[index] = append(keys[index], column)
		return nil
	})
	for _, index := range indexes {
		if !unfit[index] {
			t.Unique = append(t.Unique, keys[index])
		}
	}
	if err == nil && len(t.PrimaryKey) == 1 && !indexed && !t.withoutRowID {
		id := &t.Columns[t.Column(t.PrimaryKey[0])]
		id.Made, id.Nullable = true, false
	}
	return err
}

// readForeignKeys takes names and deferrability from the statement, since the
// pragma has neither. The pragma counts from the last that was declared.
func (r *catalogReader) readForeignKeys(ctx context.Context, t *catalogTable) error {
	const query = `SELECT id, "table", "from", coalesce("to", ''), lower(on_update), lower(on_delete)
FROM pragma_foreign_key_list(?, ?) ORDER BY id DESC, seq`
	last := -1
	err := sqlsink.EachRow(ctx, r.q, "foreign keys of "+t.String(), query, []any{t.Name, t.database}, func(rows *sql.Rows) error {
		var f sink.ForeignKey
		var id int
		var column, refColumn string
		if err := rows.Scan(&id, &f.RefTable, &column, &refColumn, &f.OnUpdate, &f.OnDelete); err != nil {
			return err
		}
		if id != last {
			f.RefSchema = t.Schema
			f.Name = fmt.Sprintf("foreign key %d", len(t.ForeignKeys)+1)
			t.ForeignKeys = append(t.ForeignKeys, f)
			last = id
		}
		at := &t.ForeignKeys[len(t.ForeignKeys)-1]
		at.Columns = append(at.Columns, column)
		if refColumn != "" {
			at.RefColumns = append(at.RefColumns, refColumn)
		}
		return nil
	})
	declared := declaredReferences(t.ddl)
	for i := range t.ForeignKeys {
		f := &t.ForeignKeys[i]
		if len(declared) == len(t.ForeignKeys) {
			f.Deferrable, f.Deferred = declared[i].deferrable, declared[i].deferred
			f.Name = cmp.Or(declared[i].name, f.Name)
		}
		if err == nil && len(f.RefColumns) == 0 {
			err = r.readReferenced(ctx, t, f)
		}
	}
	return err
}

// readReferenced fills in the columns of a reference that names none: the primary
// key.
func (r *catalogReader) readReferenced(ctx context.Context, t *catalogTable, f *sink.ForeignKey) error {
	const query = "SELECT name FROM pragma_table_xinfo(?, ?) WHERE pk > 0 ORDER BY pk"
	return sqlsink.EachRow(ctx, r.q, "key of "+f.RefTable, query, []any{f.RefTable, t.database}, func(rows *sql.Rows) error {
		var column string
		if err := rows.Scan(&column); err != nil {
			return err
		}
		f.RefColumns = append(f.RefColumns, column)
		return nil
	})
}

func (r *catalogReader) readTriggers(ctx context.Context, t *catalogTable) error {
	query := "SELECT sql FROM " + quoteName(t.database) + ".sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
	return sqlsink.EachRow(ctx, r.q, "triggers of "+t.String(), query, []any{t.Name}, func(rows *sql.Rows) error {
		var ddl string
		if err := rows.Scan(&ddl); err != nil {
			return err
		}
		t.Triggers = t.Triggers || triggerEvent(ddl) != "DELETE"
		return nil
	})
}

// quoteName uses backticks: a name in double quotes that is no column is a string
// to SQLite, not an error.
func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
