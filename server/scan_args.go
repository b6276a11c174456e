package server

import (
	"strconv"

	"github.com/lullcache/lull/internal/resp"
)

// scanArgs are the arguments of a command that pages through one key.
type scanArgs struct {
	cursor uint64
	count  int
	match  []byte // nil: everything
}

// scanCursor reads argument i as a cursor.
func (c *call) scanCursor(i int) (uint64, error) {
	cursor, err := strconv.ParseUint(string(c.args[i]), 10, 64)
	if err != nil {
		return 0, errCursor
	}
	return cursor, nil
}

// scanOptions reads COUNT and MATCH from argument i on.
func (c *call) elementOptions(i int) (a scanArgs, err error) {
	a.count = 10
	for ; i < len(c.args); i += 2 {
		switch {
		case i+1 == len(c.args):
			return a, errSyntax
		case c.word(i, "COUNT"):
			n, err := c.integer(i + 1)
			if err != nil {
				return a, err
			}
			if n < 1 {
				return a, errSyntax
			}
			a.count = clampInt(n)
		case c.word(i, "MATCH"):
			a.match = c.args[i+1]
		default:
			return a, errSyntax
		}
	}
	return a, nil
}

// matches reports whether an item is to be returned.
func (a *scanArgs) matches(item []byte) bool { return a.match == nil || globMatch(a.match, item) }

// scanReply writes what a step of a scan found: items holds n replies.
func (c *call) scanReply(next uint64, n int, items *resp.Writer) {
	c.out.Array(2)
	c.out.BulkString(strconv.FormatUint(next, 10))
	c.out.Array(n)
	c.out.Append(items.Bytes())
}
