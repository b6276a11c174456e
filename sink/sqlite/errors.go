package sqlite

import (
	"errors"
	"strconv"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// prepareError is an error of a statement that was not run: it is about the
// schema, not about a row.
type prepareError struct{ err error }

func (e *prepareError) Error() string { return e.err.Error() }
func (e *prepareError) Unwrap() error { return e.err }

// errUndone: a trigger ended the transaction.
var errUndone = errors.New("a trigger ended the transaction")

// errDeferred: foreign keys that are checked at COMMIT do not hold.
var errDeferred = errors.New("FOREIGN KEY constraint failed (deferred)")

// judge implements sqlsink.Dialect; see https://sqlite.org/rescode.html.
func judge(err error) sqlsink.Verdict {
	if errors.Is(err, errDeferred) {
		code := strconv.Itoa(lib.SQLITE_CONSTRAINT_FOREIGNKEY)
		return sqlsink.Verdict{Kind: sqlsink.Clash, Reason: sink.Reason{Code: code, Message: errDeferred.Error()}}
	}
	var e *driver.Error
	if !errors.As(err, &e) || sqlsink.Canceled(err) {
		return sqlsink.Verdict{Kind: sqlsink.Lost, Reason: sink.Reason{Message: message(err)}}
	}
	v := sqlsink.Verdict{Kind: kindOf(err, e), Reason: sink.Reason{Code: strconv.Itoa(e.Code()), Message: e.Error()}}
	if errors.Is(err, errUndone) && (v.Kind == sqlsink.Refused || v.Kind == sqlsink.Clash) {
		v.Kind = sqlsink.Undone // else it is no row's fault: a full disk ends transactions too
	}
	return v
}

func kindOf(err error, e *driver.Error) sqlsink.Kind {
	switch e.Code() {
	case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_ROWID, lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return sqlsink.Clash
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return sqlsink.Conflict
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_MISMATCH, lib.SQLITE_TOOBIG:
		return sqlsink.Refused
	case lib.SQLITE_AUTH:
		return sqlsink.Schema
	case lib.SQLITE_ERROR:
		var prepare *prepareError
		if errors.As(err, &prepare) || strings.Contains(e.Error(), "no such ") {
			return sqlsink.Schema
		}
		return sqlsink.Refused // a function in a trigger, a check or a generated column
	}
	return sqlsink.Again
}

// NotCommitted implements sqlsink.Dialect: after these the transaction is still
// open.
func (d dialect) NotCommitted(err error) bool {
	var e *driver.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff
	return code == lib.SQLITE_BUSY || code == lib.SQLITE_CONSTRAINT
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
