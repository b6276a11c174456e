package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The worker starts a round as Lull starts a flush by default: at so many marks, at
// this age, or in a pause of the writes.
const (
	roundMarks = 10_000
	roundAge   = time.Second
	pollEvery  = 50 * time.Millisecond
	readMarks  = 1000 // read at once
	readEvents = 5000
)

// statementRows are how many rows one statement has; few sizes, so that statements
// stay prepared.
var statementRows = []int{500, 100, 20, 4, 1}

// worker carries what is marked into SQL: it takes all marks away under another name,
// reads the values, writes them in one transaction, and only then forgets the marks.
// After a crash keyed rows are written again, which is harmless; events would be
// there twice, which Lull's position in SQL prevents.
type worker struct {
	redis  *redisClient
	db     *database
	rows   atomic.Uint64
	last   map[string]string // by stream, the last id that SQL has
	cancel context.CancelFunc
	group  sync.WaitGroup
	mu     sync.Mutex
	err    error
}

func dirtyKey(t *table) string { return "bench:dirty:" + t.name }
func takenKey(t *table) string { return "bench:taken:" + t.name }
func streamKey(i int) string   { return "bench:events:t" + strconv.Itoa(i) }

func startWorker(addr string, db *database) (*worker, error) {
	client, err := dialRedis(addr, "")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &worker{redis: client, db: db, last: make(map[string]string), cancel: cancel}
	w.group.Go(func() { w.work(ctx) })
	return w, nil
}

// work makes rounds until ctx ends.
func (w *worker) work(ctx context.Context) {
	var since time.Time // when marks were seen first
	for last := int64(0); ctx.Err() == nil; time.Sleep(pollEvery) {
		n, err := w.marks()
		if n > 0 && last == 0 {
			since = time.Now()
		}
		if n >= roundMarks || n > 0 && (n == last || time.Since(since) >= roundAge) {
			_, err = w.round(context.WithoutCancel(ctx))
			n = 0
		}
		if last = n; err != nil {
			w.mu.Lock()
			w.err = fmt.Errorf("worker: %w", err)
			w.mu.Unlock()
			return
		}
	}
}

// marks counts what SQL does not have.
func (w *worker) marks() (n int64, err error) {
	var commands [][]string
	for _, t := range tables {
		commands = append(commands, []string{"SCARD", dirtyKey(t)})
	}
	for i := range topicCount {
		commands = append(commands, []string{"XLEN", streamKey(i)})
	}
	replies, err := w.redis.askAll(commands)
	for _, r := range replies {
		count, _ := r.(int64)
		n += count
	}
	return n, errors.Join(err, replyError(replies))
}

// round writes everything that is marked, in one transaction, and returns how many
// rows that were.
func (w *worker) round(ctx context.Context) (rows int, err error) {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	var done [][]string // commands for after the commit
	for _, t := range tables {
		n, err := w.carry(ctx, tx, t)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", t.name, err)
		}
		if n > 0 {
			rows, done = rows+n, append(done, []string{"DEL", takenKey(t)})
		}
	}
	for i := range topicCount {
		n, err := w.carryEvents(ctx, tx, streamKey(i), "t"+strconv.Itoa(i))
		if err != nil {
			return 0, fmt.Errorf("events: %w", err)
		}
		if n > 0 {
			rows, done = rows+n, append(done, []string{"XDEL", streamKey(i), w.last[streamKey(i)]}, []string{"XTRIM", streamKey(i), "MINID", w.last[streamKey(i)]})
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	w.rows.Add(uint64(rows))
	replies, err := w.redis.askAll(done)
	return rows, errors.Join(err, replyError(replies))
}

// carry writes the marked rows of a table. Marks that a round took and did not finish
// are taken first.
func (w *worker) carry(ctx context.Context, tx *sql.Tx, t *table) (n int, err error) {
	if len(t.key) == 0 {
		return 0, nil
	}
	if _, err := w.redis.ask("RENAMENX", dirtyKey(t), takenKey(t)); err != nil && !strings.Contains(err.Error(), "no such key") {
		return 0, err
	}
	met := make(map[string]bool) // SSCAN may give a member twice
	for cursor := "0"; ; {
		reply, err := w.redis.ask("SSCAN", takenKey(t), cursor, "COUNT", strconv.Itoa(readMarks))
		if err != nil {
			return 0, err
		}
		page := reply.([]any)
		var members []string
		for _, m := range page[1].([]any) {
			if member := m.(string); !met[member] {
				met[member] = true
				members = append(members, member)
			}
		}
		rows, err := w.read(t, members)
		if err == nil {
			err = w.write(ctx, tx, t, rows)
		}
		if err != nil {
			return 0, err
		}
		if cursor = page[0].(string); cursor == "0" {
			return len(met), nil
		}
	}
}

// read gets the values of marked keys, as rows.
func (w *worker) read(t *table, members []string) ([][]any, error) {
	commands := make([][]string, len(members))
	for i, m := range members {
		switch t {
		case scores:
			board, player, _ := strings.Cut(m, ":")
			commands[i] = []string{"ZSCORE", "bench:board:" + board, player}
		case counters:
			commands[i] = []string{"GET", "bench:counter:" + m}
		case sessions:
			commands[i] = []string{"HMGET", "bench:session:" + m, "seen", "page"}
		default:
			commands[i] = []string{"HMGET", "bench:probe:" + m, "seen"}
		}
	}
	replies, err := w.redis.askAll(commands)
	if err := errors.Join(err, replyError(replies)); err != nil {
		return nil, err
	}
	rows := make([][]any, len(members))
	for i, m := range members {
		key := []string{m}
		if t == scores {
			key = strings.SplitN(m, ":", 2)
		}
		for _, part := range key {
			rows[i] = append(rows[i], number(part))
		}
		if fields, ok := replies[i].([]any); ok {
			for _, f := range fields {
				rows[i] = append(rows[i], number(f.(string)))
			}
			continue
		}
		rows[i] = append(rows[i], number(replies[i].(string)))
	}
	return rows, nil
}

// number is text as the int64 that it means, if it means one: board names and pages
// do not.
func number(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return text
}

// carryEvents appends what is new in a stream.
func (w *worker) carryEvents(ctx context.Context, tx *sql.Tx, key, topic string) (n int, err error) {
	from := "-"
	if last := w.last[key]; last != "" {
		from = "(" + last
	}
	reply, err := w.redis.ask("XRANGE", key, from, "+", "COUNT", strconv.Itoa(readEvents))
	if err != nil {
		return 0, err
	}
	entries, _ := reply.([]any)
	rows := make([][]any, len(entries))
	for i, e := range entries {
		entry := e.([]any)
		fields := entry[1].([]any)
		rows[i] = []any{topic, number(fields[1].(string)), fields[3]}
		w.last[key] = entry[0].(string)
	}
	return len(rows), w.write(ctx, tx, events, rows)
}

// write writes rows with as few statements as possible.
func (w *worker) write(ctx context.Context, tx *sql.Tx, t *table, rows [][]any) error {
	for _, size := range statementRows {
		for len(rows) >= size {
			args := make([]any, 0, size*len(t.columns))
			for _, row := range rows[:size] {
				args = append(args, row...)
			}
			if _, err := tx.ExecContext(ctx, w.db.upsert(t, size, false), args...); err != nil {
				return err
			}
			rows = rows[size:]
		}
	}
	return nil
}

func (w *worker) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// drain ends the worker and carries what is left.
func (w *worker) drain(ctx context.Context) error {
	w.cancel()
	w.group.Wait()
	if err := w.failed(); err != nil {
		return err
	}
	for {
		if n, err := w.round(ctx); n == 0 || err != nil {
			return err
		}
	}
}

func (w *worker) close() error {
	w.cancel()
	w.group.Wait()
	return w.redis.close()
}
