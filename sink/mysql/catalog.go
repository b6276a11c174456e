package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// ReadCatalog describes the named tables ("name" in the connection's database, or
// "database.name"), or all tables of that database if none is named. A table that
// is not there is left out.
//
// The server shows an account only what it has a privilege on: tables with any
// privilege, triggers with TRIGGER. Keys on prefixes of columns are left out, since
// they do not say that the whole values differ.
func ReadCatalog(ctx context.Context, q sqlsink.Querier, names []string) (*sink.Catalog, error) {
	r := catalogReader{q: q, collations: map[string]bool{}}
	err := sqlsink.EachRow(ctx, r.q, "version", "SELECT VERSION() LIKE '%MariaDB%'", nil, func(rows *sql.Rows) error { return rows.Scan(&r.mariadb) })
	if err == nil {
		err = r.readTables(ctx, names)
	}
	for _, t := range r.tables {
		for _, read := range []func(context.Context, *catalogTable) error{
			r.readColumns, r.readJSONChecks, r.readDefaults, r.readKeys, r.readForeignKeys, r.readTriggers,
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
	q          sqlsink.Querier
	mariadb    bool
	collations map[string]bool // whether a collation tells strings apart, once asked
	tables     []*catalogTable
}

// catalogTable is a table with what its reading needs.
type catalogTable struct {
	sink.Table
	database string
	rows     []columnRow // as Columns
}

const tablesQuery = `SELECT TABLE_SCHEMA, TABLE_SCHEMA = DATABASE(), TABLE_NAME, TABLE_TYPE LIKE '%VIEW%'
FROM information_schema.TABLES WHERE TABLE_TYPE <> 'SEQUENCE' AND `

func (r *catalogReader) readTables(ctx context.Context, names []string) error {
	where, args := "TABLE_SCHEMA = DATABASE()", []any(nil)
	if len(names) > 0 {
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ")
		where = "(TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (" + marks + ") OR CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) IN (" + marks + "))"
		for range 2 {
			for _, name := range names {
				args = append(args, name)
			}
		}
	}
	return sqlsink.EachRow(ctx, r.q, "tables", tablesQuery+where+" ORDER BY TABLE_SCHEMA, TABLE_NAME", args, func(rows *sql.Rows) error {
		t := &catalogTable{}
		var here sql.NullBool // NULL without a current database
		if err := rows.Scan(&t.database, &here, &t.Name, &t.View); err != nil {
			return err
		}
		// The server may compare names without regard to case.
		asked := len(names) == 0 || here.Bool && slices.Contains(names, t.Name) || slices.Contains(names, t.database+"."+t.Name)
		if !here.Bool {
			t.Schema = t.database
		}
		if asked {
			r.tables = append(r.tables, t)
		}
		return nil
	})
}

const columnsQuery = `SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE = 'YES', COLUMN_DEFAULT, EXTRA,
	CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME, COLLATION_NAME
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND BINARY TABLE_NAME = ? ORDER BY ORDINAL_POSITION`

func (r *catalogReader) readColumns(ctx context.Context, t *catalogTable) error {
	err := sqlsink.EachRow(ctx, r.q, "columns of "+t.String(), columnsQuery, []any{t.database, t.Name}, func(rows *sql.Rows) error {
		var row columnRow
		var c sink.Column
		if err := rows.Scan(&c.Name, &row.data, &row.full, &c.Nullable, &row.expression, &row.extra,
			&row.length, &row.precision, &row.scale, &row.fraction, &row.charset, &row.collation); err != nil {
			return err
		}
		row.extra = strings.ToLower(row.extra)
		c.Type = row.resolve()
		// MariaDB has VIRTUAL, STORED and PERSISTENT columns; DEFAULT_GENERATED of MySQL
		// is but a default that is an expression.
		generated := strings.Contains(row.extra, " generated") || strings.Contains(row.extra, "persistent")
		c.Insertable = !generated
		c.Made = generated || strings.Contains(row.extra, "auto_increment") || strings.Contains(row.extra, "on update")
		t.Columns, t.rows = append(t.Columns, c), append(t.rows, row)
		return nil
	})
	for i := range t.Columns {
		c, row := &t.Columns[i], &t.rows[i]
		if err == nil && c.Type.Family == sink.Text {
			c.CaseSensitive, err = r.tellsApart(ctx, row.charset.String, row.collation.String, c.Type.Fixed)
		}
	}
	return err
}

// tellsApart asks the server whether a collation tells case and accents apart and
// heeds trailing spaces, which char(n) does not have. Collation names say it only
// by habit.
func (r *catalogReader) tellsApart(ctx context.Context, charset, collation string, fixed bool) (bool, error) {
	key := fmt.Sprint(collation, " ", fixed)
	if apart, ok := r.collations[key]; ok {
		return apart, nil
	}
	for _, name := range []string{charset, collation} {
		if strings.ContainsFunc(name, func(c rune) bool { return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') }) {
			return false, fmt.Errorf("collation %q of the character set %q: the name is not of letters, digits and _", collation, charset)
		}
	}
	differs := func(a, b string) string {
		return fmt.Sprintf("CONVERT('%s' USING %s) COLLATE %s <> CONVERT('%s' USING %s)", a, charset, collation, b, charset)
	}
	conditions := []string{differs("a", "A"), differs("e", "é")}
	if !fixed {
		conditions = append(conditions, differs("a", "a "))
	}
	var apart bool
	err := sqlsink.EachRow(ctx, r.q, "collation "+collation, "SELECT "+strings.Join(conditions, " AND "), nil, func(rows *sql.Rows) error { return rows.Scan(&apart) })
	r.collations[key] = apart
	return apart, err
}

// readJSONChecks finds the columns that MariaDB calls JSON: a longtext with the
// check json_valid(column). A MySQL server has a type for it.
func (r *catalogReader) readJSONChecks(ctx context.Context, t *catalogTable) error {
	if !r.mariadb {
		return nil
	}
	const query = `SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? AND BINARY TABLE_NAME = ?`
	return sqlsink.EachRow(ctx, r.q, "checks of "+t.String(), query, []any{t.database, t.Name}, func(rows *sql.Rows) error {
		var clause string
		if err := rows.Scan(&clause); err != nil {
			return err
		}
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Type.Family == sink.Text && clause == "json_valid(`"+strings.ReplaceAll(c.Name, "`", "``")+"`)" {
				c.Type = sink.Type{Family: sink.JSON, SQL: "json", Length: c.Type.Length, LengthInBytes: true, DepthMax: jsonDepthMax}
				c.CaseSensitive = false
			}
		}
		return nil
	})
}

// A part without a column name is an expression, one with a SUB_PART a prefix.
const keysQuery = `SELECT INDEX_NAME, COLUMN_NAME, SUB_PART IS NOT NULL FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = ? AND BINARY TABLE_NAME = ? AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX`

func (r *catalogReader) readKeys(ctx context.Context, t *catalogTable) error {
	var names []string
	columns, partial := map[string][]string{}, map[string]bool{}
	err := sqlsink.EachRow(ctx, r.q, "keys of "+t.String(), keysQuery, []any{t.database, t.Name}, func(rows *sql.Rows) error {
		var name string
		var column sql.NullString
		var prefix bool
		if err := rows.Scan(&name, &column, &prefix); err != nil {
			return err
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		columns[name] = append(columns[name], column.String)
		partial[name] = partial[name] || prefix || !column.Valid
		return nil
	})
	for _, name := range names {
		switch {
		case partial[name]:
		case name == "PRIMARY":
			t.PrimaryKey = columns[name]
		default:
			t.Unique = append(t.Unique, columns[name])
		}
	}
	return err
}

const foreignKeysQuery = `SELECT k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_SCHEMA = DATABASE(),
	k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE
FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
	ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
WHERE k.TABLE_SCHEMA = ? AND BINARY k.TABLE_NAME = ? AND k.REFERENCED_TABLE_NAME IS NOT NULL ORDER BY k.CONSTRAINT_NAME, k.ORDINAL_POSITION`

func (r *catalogReader) readForeignKeys(ctx context.Context, t *catalogTable) error {
	return sqlsink.EachRow(ctx, r.q, "foreign keys of "+t.String(), foreignKeysQuery, []any{t.database, t.Name}, func(rows *sql.Rows) error {
		var f sink.ForeignKey
		var column, refColumn string
		var here sql.NullBool
		if err := rows.Scan(&f.Name, &column, &f.RefSchema, &here, &f.RefTable, &refColumn, &f.OnDelete, &f.OnUpdate); err != nil {
			return err
		}
		if n := len(t.ForeignKeys); n == 0 || t.ForeignKeys[n-1].Name != f.Name {
			if here.Bool {
				f.RefSchema = ""
			}
			f.OnDelete, f.OnUpdate = strings.ToLower(f.OnDelete), strings.ToLower(f.OnUpdate)
			t.ForeignKeys = append(t.ForeignKeys, f)
		}
		last := &t.ForeignKeys[len(t.ForeignKeys)-1]
		last.Columns, last.RefColumns = append(last.Columns, column), append(last.RefColumns, refColumn)
		return nil
	})
}

func (r *catalogReader) readTriggers(ctx context.Context, t *catalogTable) error {
	const query = `SELECT COUNT(*) > 0 FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = ? AND BINARY EVENT_OBJECT_TABLE = ? AND EVENT_MANIPULATION IN ('INSERT', 'UPDATE')`
	return sqlsink.EachRow(ctx, r.q, "triggers of "+t.String(), query, []any{t.database, t.Name}, func(rows *sql.Rows) error { return rows.Scan(&t.Triggers) })
}
