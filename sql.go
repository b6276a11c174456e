package lull

import (
	"context"
	"errors"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// errNotTaken: what SQL holds cannot be told from what memory must lay over it.
var errNotTaken = &sink.Error{Class: sink.Retry, Err: errors.New("the lane is not taken yet")}

// readSQL reads rows for clients. After a start without the database it refuses until
// the lane is taken: only then are the letters known that lie over the rows, and
// whether the database is where the log left it.
func (db *DB) readSQL(ctx context.Context, queries []sink.Query, row func(query int, vals []value.Value) error) error {
	if !db.flusher.Opened() {
		return errNotTaken
	}
	return db.sink.Read(ctx, queries, row)
}

// countSQL counts rows for clients, as readSQL reads them.
func (db *DB) countSQL(ctx context.Context, t *sink.Table, distinct []int, where []sink.Match, exactMax int64) (n int64, exact bool, err error) {
	if !db.flusher.Opened() {
		return 0, false, errNotTaken
	}
	return db.sink.Count(ctx, t, distinct, where, exactMax)
}
