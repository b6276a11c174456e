package postgres

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// errRolledBack: COMMIT was answered with ROLLBACK.
var errRolledBack = errors.New("the server rolled the transaction back")

// judge implements sqlsink.Dialect; see appendix A of PostgreSQL's manual.
func judge(err error) sqlsink.Verdict {
	var e *pgconn.PgError
	switch {
	case err == nil:
		return sqlsink.Verdict{}
	case errors.Is(err, errRolledBack):
		return sqlsink.Verdict{Kind: sqlsink.Again, Reason: sink.Reason{Message: err.Error()}}
	case !errors.As(err, &e):
		return sqlsink.Verdict{Kind: sqlsink.Lost, Reason: sink.Reason{Message: err.Error()}}
	}
	message := e.Message
	if e.Detail != "" {
		message += ": " + e.Detail
	}
	v := sqlsink.Verdict{Kind: kindOf(e), Reason: sink.Reason{Code: e.Code, Message: message}}
	if !definite(e) {
		v.Kind = sqlsink.Lost
	}
	return v
}

// definite reports whether the session goes on after e. FATAL and PANIC end it.
func definite(e *pgconn.PgError) bool {
	severity := e.SeverityUnlocalized
	if severity == "" {
		severity = e.Severity
	}
	return severity == "ERROR"
}

func kindOf(e *pgconn.PgError) sqlsink.Kind {
	switch e.Code {
	case "23505", "23503", "23001", "23P01": // unique, foreign key, restrict, exclusion
		return sqlsink.Clash
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock timeout
		return sqlsink.Conflict
	case "42501":
		if e.Routine == "ExecWithCheckOptions" { // a row-level security policy
			return sqlsink.Refused
		}
	case "55000", "428C9", "0A000": // no such key for ON CONFLICT; generated column; not on a view
		if strings.Contains(e.Message, "cached plan") {
			return sqlsink.Again
		}
		return sqlsink.Schema
	case "54000", "54001": // an index row that is too large; recursion in a trigger
		return sqlsink.Refused
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "42", "3F", "3D":
		return sqlsink.Schema
	case "08", "25", "40", "53", "54", "55", "57", "58", "F0", "XX", "28", "26", "34", "3B":
		return sqlsink.Again
	}
	return sqlsink.Refused // data, constraints, and whatever a trigger raises
}

// stale reports whether a prepared statement is gone, or has a result of another type
// now than when it was prepared.
func stale(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "26000" || e.Code == "0A000" && strings.Contains(e.Message, "cached plan"))
}

// NotCommitted implements sqlsink.Dialect: once the commit is written, the server
// has no error to report but a crash.
func (d dialect) NotCommitted(err error) bool {
	var e *pgconn.PgError
	return errors.Is(err, errRolledBack) || (errors.As(err, &e) && definite(e))
}

// oneLine is an error of pgx in one line: a connection that fails tells of every
// address that was tried, each in a line, and of one with and without TLS.
type oneLine struct{ err error }

func (e *oneLine) Error() string {
	head, tries, _ := strings.Cut(e.err.Error(), "\n")
	var seen []string
	for line := range strings.Lines(tries) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(seen, line) {
			seen = append(seen, line)
		}
	}
	if len(seen) == 0 {
		return head
	}
	return head + " " + strings.Join(seen, "; ")
}

func (e *oneLine) Unwrap() error { return e.err }
