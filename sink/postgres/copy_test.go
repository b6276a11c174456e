package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

const copiedColumns = `(id int PRIMARY KEY, i2 smallint, i4 int, i8 bigint, f8 double precision, b boolean, v varchar(10), c character(4), raw bytea, d small)`

// copiedRows are enough for a COPY, with values of all types that have a binary form, as
// numbers and as text, and NULLs.
func copiedRows() (rows []sink.Row) {
	for i := range int64(2 * copyRowsMin) {
		vals := []value.Value{value.OfInt(i), value.OfInt(-i), value.OfString(fmt.Sprint(i * 70_000)), value.OfInt(i << 40), value.OfFloat(float64(i) / 3),
			value.OfInt(i % 2), value.OfString(fmt.Sprint("é\t\\", i)), value.OfString("ab"), value.OfString("\x00\xff"), value.OfInt(i)}
		if i%7 == 3 {
			for j := 1; j < len(vals); j++ {
				vals[j] = value.Value{}
			}
		}
		rows = append(rows, sink.Row{Vals: vals})
	}
	return rows
}

// TestRowsAreCopiedAsTheyAreInserted appends rows in either form of COPY, some of which are
// refused, and compares with what an insert makes of the same.
func TestRowsAreCopiedAsTheyAreInserted(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(rows []sink.Row)
		binary bool
		bad    int
	}{
		{"all right", func([]sink.Row) {}, true, 0},
		{"a text that is too long, and a number that a domain refuses", func(rows []sink.Row) {
			rows[17].Vals[6] = value.OfString(strings.Repeat("x", 11))
			rows[60].Vals[9] = value.OfInt(5000)
		}, true, 2},
		{"a number that is out of range", func(rows []sink.Row) { rows[18].Vals[1] = value.OfInt(40_000) }, false, 1},
		{"a text that is no number", func(rows []sink.Row) { rows[99].Vals[3] = value.OfString("many") }, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := claimed(t, "CREATE DOMAIN small AS smallint CHECK (VALUE < 1000)", "CREATE TABLE copied "+copiedColumns, "CREATE TABLE inserted "+copiedColumns)
			rows := copiedRows()
			c.spoil(rows)
			all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
			pointers := make([]*sink.Row, len(rows))
			for i := range rows {
				pointers[i] = &rows[i]
			}
			if got := binaryFor(found(t, s, "copied"), all, pointers) != nil; got != c.binary {
				t.Errorf("the rows have a binary form: %v, wanted %v", got, c.binary)
			}
			for i, mode := range []sink.Mode{sink.Append, sink.Insert} {
				table := found(t, s, [...]string{"copied", "inserted"}[i])
				r, err := s.Write(t.Context(), &sink.Batch{From: sink.Mark{Position: uint64(i)}, To: sink.Mark{Position: uint64(i + 1)},
					Tables: []sink.TableOps{{Table: table, Key: []int{0}, Put: []sink.Group{{Mode: mode, Columns: all[1:], Rows: rows}}}}})
				if err != nil || len(r.Letters) != c.bad {
					t.Fatalf("%s: %d rows refused, wanted %d: %v, %+v", table.Name, len(r.Letters), c.bad, err, r.Letters)
				}
			}
			alike(t, s, len(rows)-c.bad)
		})
	}
}

// alike fails unless both tables have the same n rows.
func alike(t *testing.T, s *Sink, n int) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), s.config.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var count, other int
	err = conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM copied), (SELECT count(*) FROM (TABLE copied EXCEPT TABLE inserted) AS d)`).Scan(&count, &other)
	if err != nil || count != n || other != 0 {
		t.Errorf("%d rows, wanted %d; %d are not as inserted; %v", count, n, other, err)
	}
}
