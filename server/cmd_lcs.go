package server

import "github.com/lullcache/lull"

var errLCSBoth = newError("ERR", "If you want both the length and indexes, please just use IDX.")

// lcsOptions are those of LCS.
type lcsOptions struct {
	length, index, withLength bool
	matchMin                  int64
}

func (c *call) lcsOptions() (o lcsOptions, err error) {
	for i := 3; i < len(c.args); i++ {
		switch {
		case c.word(i, "LEN"):
			o.length = true
		case c.word(i, "IDX"):
			o.index = true
		case c.word(i, "WITHMATCHLEN"):
			o.withLength = true
		case c.word(i, "MINMATCHLEN") && i+1 < len(c.args):
			i++
			if o.matchMin, err = c.integer(i); err != nil {
				return o, err
			}
		default:
			return o, errSyntax
		}
	}
	if o.length && o.index {
		return o, errLCSBoth
	}
	return o, nil
}

// lcs answers LCS key key [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN].
func lcs(c *call, tx *lull.Tx) error {
	o, optionsErr := c.lcsOptions()
	l, err := tx.LCS(c.args[1], c.args[2], o.length || optionsErr != nil)
	switch {
	case lull.IsMiss(err) || err == lull.ErrNotStrings:
		return err // which Redis looks at first
	case optionsErr != nil:
		return optionsErr
	case err != nil:
		return err
	case o.length:
		c.out.Int(int64(l.Len))
	case o.index:
		c.lcsMatches(l, o)
	default:
		c.out.Bulk(l.Text)
	}
	return nil
}

func (c *call) lcsMatches(l lull.LCS, o lcsOptions) {
	shown := l.Matches[:0]
	for _, m := range l.Matches {
		if int64(m.Len()) >= o.matchMin {
			shown = append(shown, m)
		}
	}
	c.out.Map(2)
	c.out.BulkString("matches")
	c.out.Array(len(shown))
	for _, m := range shown {
		if o.withLength {
			c.out.Array(3)
		} else {
			c.out.Array(2)
		}
		c.span(m.AStart, m.AEnd)
		c.span(m.BStart, m.BEnd)
		if o.withLength {
			c.out.Int(int64(m.Len()))
		}
	}
	c.out.BulkString("len")
	c.out.Int(int64(l.Len))
}

func (c *call) span(from, to int) {
	c.out.Array(2)
	c.out.Int(int64(from))
	c.out.Int(int64(to))
}
