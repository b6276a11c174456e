package server

import (
	"errors"

	"github.com/lullcache/lull"
)

var streamHandlers = handlers{
	"xadd":            unit(xadd),
	"xlen":            unit(xlen),
	"xrange":          unit(xrange),
	"xrevrange":       unit(xrange),
	"xread":           unit(xread),
	"xdel":            unit(xdel),
	"xtrim":           unit(xtrim),
	"xsetid":          unit(xsetid),
	"xinfo|stream":    unit(xinfoStream),
	"xinfo|groups":    unit(xinfoGroups),
	"xinfo|consumers": unit(xinfoConsumers),
	"xinfo|help":      plain(help),
}

var (
	errStreamID      = newError("ERR", "Invalid stream ID specified as stream command argument")
	errStreamStart   = newError("ERR", "invalid start ID for the interval")
	errStreamEnd     = newError("ERR", "invalid end ID for the interval")
	errTrimTwice     = newError("ERR", "syntax error, MAXLEN and MINID options at the same time are not compatible")
	errTrimMaxLen    = newError("ERR", "The MAXLEN argument must be >= 0.")
	errTrimLimit     = newError("ERR", "The LIMIT argument must be >= 0.")
	errTrimNone      = newError("ERR", "syntax error, XTRIM must be called with a trimming strategy")
	errTrimLimitOnly = newError("ERR", "syntax error, LIMIT cannot be used without specifying a trimming strategy")
	errTrimExact     = newError("ERR", "syntax error, LIMIT cannot be used without the special ~ option")
	errSetAddedSign  = newError("ERR", "entries_added must be positive")
	errSetDeleted    = newError("ERR", "The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
)

// streamTexts are Redis's words for the engine's errors on streams.
var streamTexts = []struct {
	err  error
	text *replyError
}{
	{lull.ErrStreamZeroID, newError("ERR", "The ID specified in XADD must be greater than 0-0")},
	{lull.ErrStreamID, newError("ERR", "The ID specified in XADD is equal or smaller than the target stream top item")},
	{lull.ErrStreamExhausted, newError("ERR", "The stream has exhausted the last possible ID, unable to add more items")},
	{lull.ErrStreamSetTop, newError("ERR", "The ID specified in XSETID is smaller than the target stream top item")},
	{lull.ErrStreamSetAdded, newError("ERR", "The entries_added specified in XSETID is smaller than the target stream length")},
}

// streamError says an error of the engine in Redis's words.
func streamError(err error) error {
	for _, t := range streamTexts {
		if errors.Is(err, t.err) {
			return t.text
		}
	}
	return err
}

// trimLimit is how many entries trimming by "~" removes at most, if LIMIT does not
// say: as in Redis, 100 times as many as a node has.
const trimLimit = 10_000

// streamID reads argument i as an id.
func (c *call) streamID(i int) (lull.StreamID, error) {
	id, ok := lull.ParseStreamID(c.args[i], 0)
	if !ok {
		return id, errStreamID
	}
	return id, nil
}

// id writes an id as a bulk string.
func (c *call) id(id lull.StreamID) {
	var text [41]byte
	c.out.Bulk(id.AppendText(text[:0]))
}

func (c *call) entry(e *lull.StreamEntry) {
	c.out.Array(2)
	c.id(e.ID)
	c.out.Array(e.Fields.Len())
	e.Fields.Each(c.out.Bulk)
}

func (c *call) entries(found []lull.StreamEntry) {
	c.out.Array(len(found))
	for i := range found {
		c.entry(&found[i])
	}
}

// trimArgs gathers what XADD and XTRIM say of trimming.
type trimArgs struct {
	lull.StreamTrim
	limited bool
}

// option reads the trimming option at argument i, if there is one, and returns where
// to go on.
func (a *trimArgs) option(c *call, i int) (next int, ok bool, err error) {
	if i+1 == len(c.args) {
		return i, false, nil
	}
	switch {
	case c.word(i, "MAXLEN"), c.word(i, "MINID"):
		if a.By != lull.TrimNone {
			return i, false, errTrimTwice
		}
		byID := c.word(i, "MINID")
		if next := c.args[i+1]; i+2 < len(c.args) && len(next) == 1 && (next[0] == '~' || next[0] == '=') {
			a.Approx = next[0] == '~'
			i++
		}
		if byID {
			a.By = lull.TrimID
			a.MinID, err = c.streamID(i + 1)
			return i + 2, true, err
		}
		a.By = lull.TrimLen
		if a.MaxLen, err = c.integer(i + 1); err == nil && a.MaxLen < 0 {
			err = errTrimMaxLen
		}
		return i + 2, true, err
	case c.word(i, "LIMIT"):
		if a.Limit, err = c.integer(i + 1); err == nil && a.Limit < 0 {
			err = errTrimLimit
		}
		a.limited = true
		return i + 2, true, err
	}
	return i, false, nil
}

// check refuses what does not go together, and fills in the limit.
func (a *trimArgs) check() error {
	switch {
	case a.Limit != 0 && a.By == lull.TrimNone:
		return errTrimLimitOnly
	case a.limited && !a.Approx:
		return errTrimExact
	case !a.limited && a.Approx:
		a.Limit = trimLimit
	}
	return nil
}

func xadd(c *call, tx *lull.Tx) error {
	var o lull.XAddOptions
	var trim trimArgs
	i := 2
	for i < len(c.args) && string(c.args[i]) != "*" {
		next, ok, err := trim.option(c, i)
		if err != nil {
			return err
		}
		if !ok && !c.word(i, "NOMKSTREAM") {
			break
		}
		if !ok {
			o.NoCreate = true
			next++
		}
		i = next
	}
	if i == len(c.args) {
		return wrongArity(c.cmd)
	}
	id, ok := lull.ParseNewStreamID(c.args[i])
	if !ok {
		return errStreamID
	}
	if err := trim.check(); err != nil {
		return err
	}
	fields := c.args[i+1:]
	if len(fields) == 0 || len(fields)%2 != 0 {
		return wrongArity(c.cmd)
	}
	o.Trim = trim.StreamTrim
	at, added, err := tx.XAdd(c.args[1], id, fields, o)
	if added {
		c.id(at)
	} else {
		c.out.Null()
	}
	return streamError(err)
}

func xlen(c *call, tx *lull.Tx) error {
	n, err := tx.XLen(c.args[1])
	c.out.Int(n)
	return err
}

// xrange answers XRANGE and XREVRANGE.
func xrange(c *call, tx *lull.Tx) error {
	reverse := c.cmd.Name == "xrevrange"
	start, end := 2, 3
	if reverse {
		start, end = end, start
	}
	from, fromEx, ok := lull.ParseStreamBound(c.args[start], 0)
	if !ok {
		return errStreamID
	}
	if fromEx {
		if from, ok = from.Next(); !ok {
			return errStreamStart
		}
	}
	to, toEx, ok := lull.ParseStreamBound(c.args[end], lull.StreamMax.Seq)
	if !ok {
		return errStreamID
	}
	if toEx {
		if to, ok = to.Prev(); !ok {
			return errStreamEnd
		}
	}
	count := int64(-1)
	for i := 4; i < len(c.args); i += 2 {
		if !c.word(i, "COUNT") || i+1 == len(c.args) {
			return errSyntax
		}
		n, err := c.integer(i + 1)
		if err != nil {
			return err
		}
		count = max(n, 0)
	}
	if count == 0 {
		_, exists, err := tx.StreamLast(c.args[1])
		if exists {
			c.out.NullArray()
		} else {
			c.out.Array(0)
		}
		return err
	}
	found, err := tx.XRange(c.args[1], from, to, reverse, clampInt(max(count, 0)))
	c.entries(found)
	return err
}

func xdel(c *call, tx *lull.Tx) error {
	ids := make([]lull.StreamID, 0, len(c.args)-2)
	for i := range c.args[2:] {
		id, err := c.streamID(2 + i)
		if err != nil { // as in Redis, for a stream that is there
			if _, exists, wrong := tx.StreamLast(c.args[1]); !exists || wrong != nil {
				c.out.Int(0)
				return wrong
			}
			return err
		}
		ids = append(ids, id)
	}
	n, err := tx.XDel(c.args[1], ids)
	c.out.Int(int64(n))
	return err
}

func xtrim(c *call, tx *lull.Tx) error {
	var trim trimArgs
	for i := 2; i < len(c.args); {
		next, ok, err := trim.option(c, i)
		if err != nil {
			return err
		}
		if !ok {
			return errSyntax
		}
		i = next
	}
	if trim.Limit != 0 && trim.By == lull.TrimNone {
		return errTrimLimitOnly
	}
	if trim.By == lull.TrimNone {
		return errTrimNone
	}
	if err := trim.check(); err != nil {
		return err
	}
	n, err := tx.XTrim(c.args[1], trim.StreamTrim)
	c.out.Int(n)
	return err
}

func xsetid(c *call, tx *lull.Tx) error {
	id, err := c.streamID(2)
	if err != nil {
		return err
	}
	var o lull.XSetIDOptions
	for i := 3; i < len(c.args); i += 2 {
		switch {
		case i+1 == len(c.args):
			return errSyntax
		case c.word(i, "ENTRIESADDED"):
			n, err := c.integer(i + 1)
			if err != nil {
				return err
			}
			if n < 0 {
				return errSetAddedSign
			}
			o.EntriesAdded, o.SetAdded = uint64(n), true
		case c.word(i, "MAXDELETEDID"):
			if o.MaxDeleted, err = c.streamID(i + 1); err != nil {
				return err
			}
			if id.Compare(o.MaxDeleted) < 0 {
				return errSetDeleted
			}
		default:
			return errSyntax
		}
	}
	if err := tx.XSetID(c.args[1], id, o); err != nil {
		return streamError(err)
	}
	c.out.Simple("OK")
	return nil
}
