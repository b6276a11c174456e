package sqlite

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// paramsMax is SQLite's default limit of parameters in a statement.
const paramsMax = 32766

var syntax = &sqlsink.Syntax{
	Quote: quote,
	Param: func(int, *sink.Column) string { return "?" },
	// The + hides the declared type, which would make the driver parse dates.
	Column:     func(c *sink.Column) string { return "+" + quote(c.Name) },
	KeysAsRows: true,
	ParamsMax:  paramsMax,
}

// quote uses backticks: a name in double quotes that is no column is a string to
// SQLite, not an error.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func binds(args []sqlsink.Arg) []any {
	out := make([]any, len(args))
	for i := range args {
		out[i] = bind(args[i].Column, args[i].Value)
	}
	return out
}

// bind returns v as the driver is to store it in c. A column without a declared
// type keeps what it is given, so there text is text, and only what is no text is a
// blob.
func bind(c *sink.Column, v value.Value) any {
	if v.IsNull() {
		return nil
	}
	switch c.Type.Family {
	case sink.Integer, sink.Bool:
		if n, ok := v.Int(); ok {
			return n
		}
	case sink.FloatNum:
		if f, ok := v.Float(); ok {
			return f
		}
	case sink.Binary:
		s := v.String()
		if c.Type.SQL == "" && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
			return s
		}
		return []byte(s)
	}
	return v.String()
}

// convert returns what the driver read.
func convert(_ *sink.Column, v any) value.Value {
	switch x := v.(type) {
	case int64:
		return value.OfInt(x)
	case float64:
		return value.OfFloat(x)
	case string:
		return value.OfString(x)
	case []byte:
		return value.OfBytes(x)
	case bool:
		if x {
			return value.OfInt(1)
		}
		return value.OfInt(0)
	case time.Time: // a declared type that the + did not hide
		return value.OfString(x.UTC().Format("2006-01-02T15:04:05.999999Z"))
	}
	return value.Value{}
}
