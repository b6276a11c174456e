package server

import (
	"fmt"

	"github.com/lullcache/lull"
)

var (
	errReadGroup  = newError("ERR", "The GROUP option is only supported by XREADGROUP. You called XREAD instead.")
	errReadNoAck  = newError("ERR", "The NOACK option is only supported by XREADGROUP. You called XREAD instead.")
	errReadOdd    = newError("ERR", "Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
	errReadNew    = newError("ERR", "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
	errReadBlock  = newError("ERR", "XREAD does not take BLOCK here: entries are read that are there")
	errInfoSyntax = errorf("unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.")
)

// readArgs are the streams of XREAD.
type readArgs struct {
	keys, ids [][]byte
	count     int
}

func (c *call) readArgs() (a readArgs, err error) {
	for i := 1; i < len(c.args); i++ {
		more := i+1 < len(c.args)
		switch {
		case more && c.word(i, "BLOCK"):
			return a, errReadBlock
		case more && c.word(i, "COUNT"):
			i++
			n, err := c.integer(i)
			if err != nil {
				return a, err
			}
			a.count = clampInt(max(n, 0))
		case more && c.word(i, "STREAMS"):
			rest := c.args[i+1:]
			if len(rest)%2 != 0 {
				return a, errReadOdd
			}
			a.keys, a.ids = rest[:len(rest)/2], rest[len(rest)/2:]
			return a, nil
		case more && c.word(i, "GROUP"):
			return a, errReadGroup
		case c.word(i, "NOACK"):
			return a, errReadNoAck
		default:
			return a, errSyntax
		}
	}
	return a, errSyntax
}

func xread(c *call, tx *lull.Tx) error {
	a, err := c.readArgs()
	if err != nil {
		return err
	}
	found := make([][]lull.StreamEntry, len(a.keys))
	streams := 0
	var missing error
	for i, key := range a.keys {
		found[i], err = c.readAfter(tx, key, a.ids[i], a.count)
		switch {
		case lull.IsMiss(err):
			missing = err // of the others, too, so that all are loaded together
		case err != nil && missing == nil:
			return err
		case len(found[i]) > 0:
			streams++
		}
	}
	if missing != nil {
		return missing
	}
	if streams == 0 {
		c.out.NullArray()
		return nil
	}
	if c.out.Version() == 3 {
		c.out.Map(streams)
	} else {
		c.out.Array(streams)
	}
	for i, key := range a.keys {
		if len(found[i]) == 0 {
			continue
		}
		if c.out.Version() == 2 {
			c.out.Array(2)
		}
		c.out.Bulk(key)
		c.entries(found[i])
	}
	return nil
}

// readAfter returns the entries of a stream behind an id as XREAD has it.
func (c *call) readAfter(tx *lull.Tx, key, after []byte, count int) ([]lull.StreamEntry, error) {
	last, exists, err := tx.StreamLast(key)
	if err != nil {
		return nil, err
	}
	switch string(after) {
	case "$": // what is behind the last entry now
		return nil, nil
	case ">":
		return nil, errReadNew
	}
	id, ok := lull.ParseStreamID(after, 0)
	if !ok {
		return nil, errStreamID
	}
	next, more := id.Next()
	if !exists || !more || last.Compare(id) <= 0 {
		return nil, nil
	}
	return tx.XRange(key, next, lull.StreamMax, false, count)
}

func xinfoStream(c *call, tx *lull.Tx) error {
	info, err := tx.XInfo(c.args[2])
	if err != nil {
		return err
	}
	full, count := false, int64(10)
	if len(c.args) > 3 {
		if full = c.word(3, "FULL"); !full || len(c.args) > 6 || len(c.args) == 5 {
			return errInfoSyntax
		}
	}
	if len(c.args) == 6 {
		if !c.word(4, "COUNT") {
			return errInfoSyntax
		}
		n, err := c.integer(5)
		if err != nil {
			return err
		}
		if count = n; count < 0 {
			count = 10
		}
	}
	var found []lull.StreamEntry
	if full {
		if found, err = tx.XRange(c.args[2], lull.StreamMin, lull.StreamMax, false, clampInt(count)); err != nil {
			return err
		}
	}
	c.streamInfo(&info, full, found)
	return nil
}

func (c *call) streamInfo(info *lull.StreamInfo, full bool, found []lull.StreamEntry) {
	fields := 10
	if full {
		fields = 9
	}
	c.out.Map(fields)
	number := func(name string, n int64) {
		c.out.BulkString(name)
		c.out.Int(n)
	}
	id := func(name string, id lull.StreamID) {
		c.out.BulkString(name)
		c.id(id)
	}
	number("length", info.Length)
	number("radix-tree-keys", int64(info.Chunks))
	number("radix-tree-nodes", int64(info.Chunks)+1)
	id("last-generated-id", info.LastID)
	id("max-deleted-entry-id", info.MaxDeletedID)
	number("entries-added", int64(info.EntriesAdded))
	var first lull.StreamID
	if len(info.First) > 0 {
		first = info.First[0].ID
	}
	id("recorded-first-entry-id", first)
	if full {
		c.out.BulkString("entries")
		c.entries(found)
		c.out.BulkString("groups")
		c.out.Array(0)
		return
	}
	number("groups", 0)
	c.oneEntry("first-entry", info.First)
	c.oneEntry("last-entry", info.Last)
}

func (c *call) oneEntry(name string, e []lull.StreamEntry) {
	c.out.BulkString(name)
	if len(e) == 0 {
		c.out.Null()
		return
	}
	c.entry(&e[0])
}

// xinfoGroups answers that a stream has no consumer groups.
func xinfoGroups(c *call, tx *lull.Tx) error {
	_, exists, err := tx.StreamLast(c.args[2])
	if err == nil && !exists {
		err = lull.ErrNoSuchKey
	}
	c.out.Array(0)
	return err
}

func xinfoConsumers(c *call, tx *lull.Tx) error {
	_, exists, err := tx.StreamLast(c.args[2])
	switch {
	case err != nil:
		return err
	case !exists:
		return lull.ErrNoSuchKey
	}
	return newError("NOGROUP", fmt.Sprintf("No such consumer group '%s' for key name '%s'", cString(c.args[3]), cString(c.args[2])))
}
