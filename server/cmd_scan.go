package server

import (
	"errors"
	"strconv"
	"strings"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/glob"
)

// SCAN, KEYS, DBSIZE and RANDOMKEY speak of memory and SQL. Inside EXEC, which holds
// all locks, they speak of memory, and only if that is all.

// scanCountMax bounds the work of one call.
const scanCountMax = 1 << 20

// scanner pages through keys.
type scanner func(cursor uint64, count int, fn func(key string, typ lull.KeyType)) (uint64, error)

func scan(c *call) error {
	return c.scanKeys(func(cursor uint64, count int, fn func(string, lull.KeyType)) (uint64, error) {
		return c.conn.sess.Scan(c.conn.srv.ctx, cursor, count, fn)
	})
}

func scanInMulti(c *call, tx *lull.Tx) error { return c.scanKeys(tx.Scan) }

// scanKeys answers SCAN cursor [MATCH pattern] [COUNT n] [TYPE type].
func (c *call) scanKeys(next scanner) error {
	cursor, err := c.scanCursor(1)
	if err != nil {
		return err
	}
	a, only := scanArgs{count: 10}, ""
	for i := 2; i < len(c.args); i += 2 {
		if i+1 < len(c.args) && c.word(i, "TYPE") {
			only = strings.ToLower(string(c.args[i+1]))
		} else if err := c.scanOption(i, &a); err != nil {
			return err
		}
	}
	var found []string
	cursor, err = next(cursor, min(a.count, scanCountMax), func(key string, typ lull.KeyType) {
		if (only == "" || only == typ.String()) && a.matches([]byte(key)) {
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
