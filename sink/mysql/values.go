package mysql

import (
	"math"
	"strconv"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// keyBytesMax is how many bytes of keys go into one SELECT, well below the smallest
// usual packet limit.
const keyBytesMax = 2 << 20

var syntax = &sqlsink.Syntax{
	Quote: quote,
	Param: func(_ int, c *sink.Column) string {
		if c.Type.Family == sink.Decimal { // a string would be compared as a float
			return "CAST(? AS DECIMAL(65, " + strconv.Itoa(max(c.Type.Scale, 0)) + "))"
		}
		return "?"
	},
	Column:     selected,
	NoRowOrder: true,
	BytesMax:   keyBytesMax,
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// selected spells a column so that its text is exact: a FLOAT is shown with six
// digits, and a BIT as a byte.
func selected(c *sink.Column) string {
	switch {
	case c.Type.Family == sink.FloatNum && c.Type.Bits == 32:
		return "(" + quote(c.Name) + " + 0e0)"
	case strings.HasPrefix(c.Type.SQL, "bit"):
		return "(" + quote(c.Name) + " + 0)"
	}
	return quote(c.Name)
}

func binds(args []sqlsink.Arg) []any {
	out := make([]any, len(args))
	for i := range args {
		out[i] = bind(args[i].Column, args[i].Value)
	}
	return out
}

// bind returns v as the driver is to write it for c. The server checks the rest.
func bind(c *sink.Column, v value.Value) any {
	if v.IsNull() {
		return nil
	}
	switch c.Type.Family {
	case sink.Integer, sink.Bool:
		if n, ok := v.Int(); ok {
			return n
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
	case sink.FloatNum:
		if f, ok := v.Float(); ok && !math.IsInf(f, 0) && !math.IsNaN(f) {
			if c.Type.Bits == 32 { // its shortest text may be beyond the largest float
				f = float64(float32(f))
			}
			return f
		}
	case sink.Binary:
		return []byte(v.String())
	case sink.TimestampTZ:
		return strings.Replace(strings.TrimSuffix(v.String(), "Z"), "T", " ", 1)
	}
	return v.String()
}

// convert returns what the driver read.
func convert(c *sink.Column, v any) value.Value {
	switch x := v.(type) {
	case int64:
		return value.OfInt(x)
	case uint64:
		if x > math.MaxInt64 {
			return value.OfString(strconv.FormatUint(x, 10))
		}
		return value.OfInt(int64(x))
	case float32:
		return shortFloat(float64(x))
	case float64:
		if c != nil && c.Type.Bits == 32 {
			return shortFloat(x)
		}
		return value.OfFloat(x)
	case string:
		return converted(c, value.OfString(x))
	case []byte:
		return converted(c, value.OfBytes(x))
	}
	return value.Value{}
}

func converted(c *sink.Column, v value.Value) value.Value {
	if c == nil {
		return v
	}
	switch c.Type.Family {
	case sink.Integer, sink.Bool:
		if n, ok := v.Int(); ok {
			return value.OfInt(n)
		}
	case sink.FloatNum:
		if f, ok := v.Float(); ok && c.Type.Bits == 32 {
			return shortFloat(f)
		} else if ok {
			return value.OfFloat(f)
		}
	case sink.TimestampTZ:
		return value.OfString(strings.Replace(v.String(), " ", "T", 1) + "Z")
	}
	return v
}

// shortFloat returns the float64 with the shortest text that means the same float32.
func shortFloat(f float64) value.Value {
	g, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	if err != nil {
		return value.OfFloat(f)
	}
	return value.OfFloat(g)
}
