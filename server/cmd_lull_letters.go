package server

import (
	"time"

	"github.com/lullcache/lull"
)

// lullDeadLetters answers LULL DEADLETTERS LIST [count], RETRY [number …], and DROP
// number … or ALL.
func lullDeadLetters(c *call) error {
	switch {
	case len(c.args) == 2 || c.word(2, "LIST"):
		return listLetters(c)
	case c.word(2, "RETRY"):
		return retryLetters(c)
	case c.word(2, "DROP"):
		return dropLetters(c)
	}
	return errSyntax
}

// lettersShown is how many letters LIST shows if it is not told.
const lettersShown = 100

// listLetters answers with a map for each letter, oldest first.
func listLetters(c *call) error {
	most := int64(lettersShown)
	if len(c.args) > 4 {
		return errSyntax
	}
	if len(c.args) == 4 {
		var err error
		if most, err = c.count(3); err != nil {
			return err
		}
	}
	letters := c.conn.db.Letters()
	letters = letters[:min(int64(len(letters)), most)]
	c.out.Array(len(letters))
	for i := range letters {
		c.letter(&letters[i])
	}
	return nil
}

func (c *call) letter(l *lull.Letter) {
	c.out.Map(10)
	c.out.BulkString("number")
	c.out.Int(l.ID)
	for _, pair := range [...]struct{ name, val string }{
		{"state", string(l.State)}, {"reason", l.Reason.Message}, {"code", l.Reason.Code},
		{"at", l.At.UTC().Format(time.RFC3339)}, {"table", l.Table}, {"operation", string(l.Op)}, {"key", l.Key},
	} {
		c.out.BulkString(pair.name)
		c.out.BulkString(pair.val)
	}
	c.out.BulkString("row")
	c.out.Map(len(l.KeyNames))
	for i, name := range l.KeyNames {
		c.out.BulkString(name)
		c.out.BulkString(l.Letter.Key[i].String())
	}
	c.out.BulkString("values")
	c.out.Map(len(l.Names))
	for i, name := range l.Names {
		c.out.BulkString(name)
		if l.Vals[i].IsNull() {
			c.out.Null()
			continue
		}
		c.out.BulkString(l.Vals[i].String())
	}
}

// letterNumbers reads the arguments from the fourth on.
func (c *call) letterNumbers() (ids []int64, err error) {
	for i := 3; i < len(c.args); i++ {
		id, ok := parseInteger(c.args[i])
		if !ok || id < 1 {
			return nil, errLetterID
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// retryLetters answers how many of the letters are left.
func retryLetters(c *call) error {
	ids, err := c.letterNumbers()
	if err != nil {
		return err
	}
	left, err := c.conn.db.RetryLetters(c.conn.srv.ctx, ids...)
	if err != nil {
		return err
	}
	c.out.Int(int64(left))
	return nil
}

func dropLetters(c *call) error {
	var ids []int64
	switch {
	case len(c.args) == 3:
		return errLetterWhich
	case len(c.args) == 4 && c.word(3, "ALL"):
	default:
		var err error
		if ids, err = c.letterNumbers(); err != nil {
			return err
		}
	}
	if err := c.conn.db.DropLetters(c.conn.srv.ctx, ids...); err != nil {
		return err
	}
	c.out.Simple("OK")
	return nil
}
