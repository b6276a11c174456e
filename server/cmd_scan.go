package server

import (
	"errors"
	"strconv"
	"strings"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/glob"
	"github.com/lullcache/lull/internal/resp"
)

// SCAN, KEYS, DBSIZE and RANDOMKEY speak of memory and SQL. Inside EXEC, which holds
// all locks, they speak of memory, and only if that is all.

// scanOptions are those of SCAN and its like.
type scanOptions struct {
	count   int
	pattern []byte // nil: all
	typ     string // "": all
}

// scanCountMax bounds the work of one call.
const scanCountMax = 1 << 20

// scanOptions reads [MATCH pattern] [COUNT n] and, if typed, [TYPE t] from argument
// i on.
func (c *call) scanOptions(i int, typed bool) (scanOptions, error) {
	o := scanOptions{count: 10}
	for ; i < len(c.args); i += 2 {
		switch more := i+1 < len(c.args); {
		case more && c.word(i, "COUNT"):
			n, err := c.integer(i + 1)
			switch {
			case err != nil:
				return o, err
			case n < 1:
				return o, errSyntax
			}
			o.count = int(min(n, scanCountMax))
		case more && c.word(i, "MATCH"):
			o.pattern = c.args[i+1]
			if string(o.pattern) == "*" {
				o.pattern = nil
			}
		case more && typed && c.word(i, "TYPE"):
			o.typ = strings.ToLower(string(c.args[i+1]))
		default:
			return o, errSyntax
		}
	}
	return o, nil
}

// matches reports whether SCAN shows a name.
func (o *scanOptions) matches(name []byte) bool {
	return o.pattern == nil || glob.Match(o.pattern, name, false)
}

var errCursor = newError("ERR", "invalid cursor")

// cursor reads argument i as a cursor.
func (c *call) cursor(i int) (uint64, error) {
	n, err := strconv.ParseUint(string(c.args[i]), 10, 64)
	if err != nil {
		return 0, errCursor
	}
	return n, nil
}

// scanner pages through keys.
type scanner func(cursor uint64, count int, fn func(key string, typ lull.KeyType)) (uint64, error)

func scan(c *call) error {
	return c.scanKeys(func(cursor uint64, count int, fn func(string, lull.KeyType)) (uint64, error) {
		return c.conn.sess.Scan(c.conn.srv.ctx, cursor, count, fn)
	})
}

func scanInMulti(c *call, tx *lull.Tx) error { return c.scanKeys(tx.Scan) }

func (c *call) scanKeys(next scanner) error {
	cursor, err := c.cursor(1)
	if err != nil {
		return err
	}
	o, err := c.scanOptions(2, true)
	if err != nil {
		return err
	}
	var found []string
	cursor, err = next(cursor, o.count, func(key string, typ lull.KeyType) {
		if (o.typ == "" || o.typ == typ.String()) && o.matches([]byte(key)) {
			found = append(found, key)
		}
	})
	if err != nil {
		return c.askedInMulti(err)
	}
	c.out.Array(2)
	c.out.BulkString(strconv.FormatUint(cursor, 10))
	c.texts(found)
	return nil
}

// texts writes an array of strings.
func (c *call) texts(texts []string) {
	c.out.Array(len(texts))
	for _, t := range texts {
		c.out.BulkString(t)
	}
}

// askedInMulti says what a command is that would have to ask SQL inside EXEC.
func (c *call) askedInMulti(err error) error {
	if errors.Is(err, lull.ErrNotInMemory) {
		return errorf("%s inside MULTI works only while all keys are in memory: send it before MULTI", strings.ToUpper(c.cmd.Name))
	}
	return err
}

func keys(c *call) error {
	return c.listKeys(func(fn func(string, lull.KeyType)) error { return c.conn.sess.Keys(c.conn.srv.ctx, fn) })
}

func keysInMulti(c *call, tx *lull.Tx) error { return c.listKeys(tx.Keys) }

// listKeys answers KEYS pattern.
func (c *call) listKeys(each func(fn func(string, lull.KeyType)) error) error {
	pattern := c.args[1]
	all := string(pattern) == "*"
	var found []string
	err := each(func(key string, _ lull.KeyType) {
		if all || glob.Match(pattern, []byte(key), false) {
			found = append(found, key)
		}
	})
	if err != nil {
		return c.askedInMulti(err)
	}
	c.texts(found)
	return nil
}

func randomKey(c *call) error {
	key, ok, err := c.conn.sess.RandomKey(c.conn.srv.ctx)
	return c.oneKey(key, ok, err)
}

func randomKeyInMulti(c *call, tx *lull.Tx) error {
	key, ok, err := tx.RandomKey()
	return c.oneKey(key, ok, err)
}

func (c *call) oneKey(key string, ok bool, err error) error {
	switch {
	case err != nil:
		return c.askedInMulti(err)
	case !ok:
		c.out.Null()
	default:
		c.out.BulkString(key)
	}
	return nil
}

func dbSize(c *call) error {
	return c.size(func() (int64, error) {
		n, _, err := c.conn.sess.DBSize(c.conn.srv.ctx)
		return n, err
	})
}

func dbSizeInMulti(c *call, tx *lull.Tx) error { return c.size(tx.DBSize) }

func (c *call) size(count func() (int64, error)) error {
	n, err := count()
	if err != nil {
		return c.askedInMulti(err)
	}
	c.out.Int(n)
	return nil
}

// scanItems is what HSCAN, SSCAN and ZSCAN share. size and opened are what opening the
// key gave. A cursor that is none is complained of first, options are only looked at
// for a key that is there, as in Redis.
func (c *call) scanItems(size int, opened error, scan func(cursor uint64, o scanOptions, items *resp.Writer) (next uint64, n int, err error)) error {
	cursor, err := c.cursor(2)
	if err != nil {
		return err
	}
	if opened != nil {
		return opened
	}
	var items resp.Writer
	if size == 0 {
		c.scanReply(0, 0, &items)
		return nil
	}
	o, err := c.scanOptions(3, false)
	if err != nil {
		return err
	}
	next, n, err := scan(cursor, o, &items)
	c.scanReply(next, n, &items)
	return err
}

// scanReply writes what a step of HSCAN and its like found: items holds n replies.
func (c *call) scanReply(next uint64, n int, items *resp.Writer) {
	c.out.Array(2)
	c.out.BulkString(strconv.FormatUint(next, 10))
	c.out.Array(n)
	c.out.Append(items.Bytes())
}
