package mysql

import (
	"errors"
	"strconv"

	driver "github.com/go-sql-driver/mysql"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// errTooLarge: a value does not fit the server's max_allowed_packet.
var errTooLarge = errors.New("a value is larger than the server's max_allowed_packet")

// outOfRange is the error that the guard of an upsert raises; see writing.guard.
const outOfRange = 1690

// clashes are errors of unique and foreign keys.
var clashes = numbers(1022, 1062, 1169, 1216, 1217, 1451, 1452, 1557, 1586, 1761, 1762, outOfRange)

// retries are errors that have nothing to do with what was written: locks,
// limits, resources, standby, shutdown, the user's account.
var retries = numbers(1020, 1021, 1030, 1037, 1038, 1040, 1041, 1044, 1045, 1047, 1049, 1053, 1114, 1129, 1130, 1180, 1181, 1203,
	1205, 1206, 1213, 1226, 1290, 1317, 1568, 1613, 1614, 1637, 1665, 1699, 1792, 1836, 1969, 3024, 3098, 3100, 3101, 3168, 3169, 3572)

// conflicts are those of the retries that come of another transaction.
var conflicts = numbers(1020, 1205, 1213, 3572)

// schemas are errors about tables, columns and rights.
var schemas = numbers(1051, 1054, 1064, 1109, 1110, 1136, 1142, 1143, 1146, 1148, 1176, 1227, 1267, 1288, 1305, 1347, 1356, 1370,
	1393, 1394, 1471, 1906, 1932, 3105, 3619)

// retypedError: a column has another type than the catalog said.
type retypedError struct{ err error }

func (e *retypedError) Error() string { return e.err.Error() }
func (e *retypedError) Unwrap() error { return e.err }

func numbers(list ...uint16) map[uint16]bool {
	set := make(map[uint16]bool, len(list))
	for _, n := range list {
		set[n] = true
	}
	return set
}

// judge implements sqlsink.Dialect; see the error references of MySQL and MariaDB.
func judge(err error) sqlsink.Verdict {
	var e *driver.MySQLError
	var retyped *retypedError
	switch {
	case err == nil:
		return sqlsink.Verdict{}
	case errors.As(err, &retyped):
		return sqlsink.Verdict{Kind: sqlsink.Schema, Reason: sink.Reason{Message: retyped.Error()}}
	case errors.Is(err, errTooLarge) || errors.Is(err, driver.ErrPktTooLarge):
		return sqlsink.Verdict{Kind: sqlsink.Refused, Reason: sink.Reason{Code: "1153", Message: errTooLarge.Error()}}
	case !errors.As(err, &e) || sqlsink.Canceled(err):
		return sqlsink.Verdict{Kind: sqlsink.Lost, Reason: sink.Reason{Message: err.Error()}}
	}
	v := sqlsink.Verdict{Kind: sqlsink.Refused, Reason: sink.Reason{Code: strconv.Itoa(int(e.Number)), Message: e.Message}}
	switch {
	case e.Number == 1927: // killed
		v.Kind = sqlsink.Lost
	case clashes[e.Number]:
		v.Kind = sqlsink.Clash
	case conflicts[e.Number]:
		v.Kind = sqlsink.Conflict
	case retries[e.Number]:
		v.Kind = sqlsink.Again
	case schemas[e.Number]:
		v.Kind = sqlsink.Schema
	}
	return v
}

// rolledBack are errors of COMMIT after which nothing was committed: lock conflicts
// that a cluster finds only then, and servers that take no writes.
var rolledBack = numbers(1205, 1213, 1290, 1792, 1836, 3100, 3101)

// NotCommitted implements sqlsink.Dialect.
func (d dialect) NotCommitted(err error) bool {
	var e *driver.MySQLError
	return errors.As(err, &e) && rolledBack[e.Number]
}
