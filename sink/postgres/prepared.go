package postgres

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Reads are prepared, since to plan one takes as long as to run it for a pipeline's
// keys. A plan is only good for a table as it was, so it is made anew now and then.
// Writes are not: a statement takes a thousand rows, and planning is little of that.
const (
	planAgeMax    = 10 * time.Second
	statementsMax = 200 // on a connection; when there would be more, all are forgotten
)

// statements are those that are prepared on one connection, by their SQL.
type statements struct {
	bySQL map[string]statement
	names int // how many were given so far
}

type statement struct {
	*pgconn.StatementDescription
	made time.Time
}

const statementsKey = "lull statements"

func statementsOf(conn *pgconn.PgConn) *statements {
	data := conn.CustomData()
	s, ok := data[statementsKey].(*statements)
	if !ok {
		s = &statements{bySQL: make(map[string]statement)}
		data[statementsKey] = s
	}
	return s
}

// prepare returns the statement for parameters of these types, prepared now if it is
// not yet, or was too long ago.
func prepare(ctx context.Context, conn *pgconn.PgConn, sql string, oids []uint32) (*pgconn.StatementDescription, error) {
	s := statementsOf(conn)
	st, ok := s.bySQL[sql]
	if ok && slices.Equal(st.ParamOIDs, oids) && time.Since(st.made) < planAgeMax {
		return st.StatementDescription, nil
	}
	drop := ""
	switch {
	case ok:
		drop = "DEALLOCATE " + st.Name
		delete(s.bySQL, sql)
	case len(s.bySQL) >= statementsMax:
		drop = "DEALLOCATE ALL"
		clear(s.bySQL)
	}
	if drop != "" {
		if _, err := conn.Exec(ctx, drop).ReadAll(); err != nil {
			return nil, err
		}
	}
	s.names++
	fresh, err := conn.Prepare(ctx, "lull_"+strconv.Itoa(s.names), sql, oids)
	if err != nil {
		return nil, err
	}
	s.bySQL[sql] = statement{fresh, time.Now()}
	return fresh, nil
}
