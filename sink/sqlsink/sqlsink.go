// Package sqlsink is what the SQL sinks share: owning a lane, writing a batch in
// one transaction, setting aside the rows that the database refuses, and the shape
// of Lull's own tables. A database adds a Dialect to it: how to connect, how to
// quote, how one statement takes a thousand rows, and what its errors mean.
//
// # Why nothing is written twice
//
// The lane's row is updated first in the transaction, on condition that it still
// holds our epoch and the batch's From mark. So a fenced writer stops before it
// did any work, and as long as one of our transactions is open anywhere it holds
// the lock of that row: Claim, which locks the row, cannot read a mark that such a
// transaction may still move. COMMIT is sent only after the answer to that update
// was read.
package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// Options say how to use a database. The zero value is usable.
type Options struct {
	// Name is the Lull's name, a part of every primary key of its own tables: at
	// most 64 bytes of ASCII; empty means "lull".
	Name string
	// OwnSchema is the schema (MySQL: the database) of Lull's own tables; empty
	// means the connection's default one. SQLite has none.
	OwnSchema string
	// ConnectTimeout bounds the opening of one connection; 0 means 5 s.
	ConnectTimeout time.Duration
	// StatementTimeout bounds one statement on either side; 0 means 30 s. Removing
	// whole tables and collections may take ten times as long.
	StatementTimeout time.Duration
	// IdleTimeout is how long the server keeps a transaction of ours in which
	// nothing happens; 0 means 60 s.
	IdleTimeout time.Duration
	// LockWait is how long Claim waits for a transaction of a former session of this
	// process before it ends that session; 0 means 5 s.
	LockWait time.Duration
	// ReadConns is the most connections that Read, Count and Catalog use; 0 means 4.
	ReadConns int
}

// Complete returns o with the defaults filled in, or an error that names all that
// is wrong.
func (o Options) Complete() (Options, error) {
	defaultTo(&o.Name, "lull")
	defaultTo(&o.ConnectTimeout, 5*time.Second)
	defaultTo(&o.StatementTimeout, 30*time.Second)
	defaultTo(&o.IdleTimeout, 60*time.Second)
	defaultTo(&o.LockWait, 5*time.Second)
	defaultTo(&o.ReadConns, 4)
	var errs []error
	if len(o.Name) > nameLengthMax || !ascii(o.Name) {
		errs = append(errs, fmt.Errorf("name: want at most %d printable ASCII characters, got %q", nameLengthMax, o.Name))
	}
	if o.ConnectTimeout < 0 || o.StatementTimeout < 0 || o.IdleTimeout < 0 || o.LockWait < 0 {
		errs = append(errs, errors.New("timeouts: want none below 0"))
	}
	if o.ReadConns < 0 {
		errs = append(errs, fmt.Errorf("read connections: want at least 1, got %d", o.ReadConns))
	}
	return o, errors.Join(errs...)
}

const nameLengthMax = 64

// Dialect is one kind of database, opened.
type Dialect interface {
	// Connect opens the session that writes.
	Connect(ctx context.Context) (Session, error)
	// RenewReaders has those connections opened anew that read and are idle, and the
	// others closed after their work if that is possible: the server may be another one.
	RenewReaders()
	// OwnTable names one of Lull's own tables, quoted and qualified.
	OwnTable(name string) string
	// Own describes them all.
	Own() *Own
	// Judge says what an error means.
	Judge(err error) Verdict
	// NotCommitted reports whether this error of COMMIT proves that nothing was
	// committed.
	NotCommitted(err error) bool
}

// Session is a connection that writes: one transaction at a time. Queries have ?
// for parameters, which are strings, int64 or bool.
type Session interface {
	// ID names the session to End, in a later session.
	ID() string
	// End ends another session of this process on the server, if it is still there.
	End(ctx context.Context, id string) error
	Close()

	Begin(ctx context.Context) error
	Commit(ctx context.Context) error
	Rollback(ctx context.Context) error
	// LockWait bounds the waiting for locks in this transaction.
	LockWait(ctx context.Context, d time.Duration) error
	Exec(ctx context.Context, query string, args ...any) (rows int64, err error)
	Query(ctx context.Context, query string, args []any, row func([]value.Value) error) error

	// RowsMax returns how many rows, and about how many bytes of values, Apply takes
	// of op at a time. A single row may be larger.
	RowsMax(op *Op) (rows, bytes int)
	// Apply runs op for the rows. On an error nothing of it is done and the
	// transaction is still usable, unless the error is a *RowError: then the rows
	// before that one are done. next are the rows that most likely come next, or none:
	// their statement may be made ready while the server is at work.
	Apply(ctx context.Context, op *Op, rows, next []*sink.Row) (Applied, error)
	// Immediate checks now what the database would check at COMMIT, and from then on as
	// part of each Apply, until Deferred or the end of the transaction. After an error
	// only RollbackTo and Rollback are of use.
	Immediate(ctx context.Context) error
	// Deferred leaves to Immediate and COMMIT what can be left to them.
	Deferred(ctx context.Context) error
	// Savepoint marks a point of the transaction. RollbackTo returns to the last one,
	// with what Immediate and Deferred said before it, and forgets it; Release forgets it
	// alone.
	Savepoint(ctx context.Context) error
	RollbackTo(ctx context.Context) error
	Release(ctx context.Context) error
}

// Applied counts what one Apply did.
type Applied struct{ Rows, Statements int }

// RowError says which row of an Apply failed, when the ones before it are done.
type RowError struct {
	Row int
	Err error
}

func (e *RowError) Error() string { return e.Err.Error() }
func (e *RowError) Unwrap() error { return e.Err }

// Op is one kind of work on one table: all its rows go through the same
// statements.
type Op struct {
	Table *sink.Table
	Kind  sink.LetterOp
	// By are the columns that a row's values begin with: the key, or ClearBy.
	By []int
	// Columns are those that a put or append writes besides By.
	Columns []int
	Mode    sink.Mode
	Where   []sink.Match // of LetterTruncate
	// Prepared is the dialect's, to keep statements in.
	Prepared any
}

// All returns By and Columns.
func (o *Op) All() []int {
	return append(append(make([]int, 0, len(o.By)+len(o.Columns)), o.By...), o.Columns...)
}

// Sink is a sink.Sink but for the methods that only the database's package has.
type Sink struct {
	opts Options
	d    Dialect

	closing context.Context // ends with Shut
	end     context.CancelFunc
	floor   atomic.Pointer[sink.Floor]

	// mu is held by Claim, Write and Seal, and guards the fields below.
	mu      sync.Mutex
	session Session
	former  string // a session that was lost and may still be open there
	lane    sink.LaneID
	epoch   uint64 // of the last successful Claim; 0: none
	logID   string // the same; an epoch can come twice if a backup took the lane's place
	tried   uint64 // the highest of Claims since whose COMMIT was not answered
	unclear bool   // the last Write is neither known to be in nor not
	// lastLetter is the highest number that a letter got.
	lastLetter int64
}

// New returns a Sink over d. The options have to be complete.
func New(d Dialect, o Options) *Sink {
	s := &Sink{opts: o, d: d}
	s.closing, s.end = context.WithCancel(context.Background())
	return s
}

// Alive returns a context that also ends with Shut.
func (s *Sink) Alive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.closing, cancel)
	return ctx, func() { stop(); cancel() }
}

// Shut cancels whatever runs and closes the session that writes.
func (s *Sink) Shut() {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeSession()
}

// enter begins a call that writes.
func (s *Sink) enter(ctx context.Context) (context.Context, func()) {
	s.mu.Lock()
	ctx, cancel := s.Alive(ctx)
	return ctx, func() { cancel(); s.mu.Unlock() }
}

// OwnTable implements sink.Schema.
func (s *Sink) OwnTable(name string) *sink.Table { return s.d.Own().Data(name) }

// OwnDDL implements sink.Schema.
func (s *Sink) OwnDDL() []string { return s.d.Own().DDL() }

func (s *Sink) closeSession() {
	if s.session != nil {
		s.session.Close()
		s.session = nil
	}
}

// connected returns the session that writes, opened if need be.
func (s *Sink) connected(ctx context.Context) (Session, error) {
	if s.session != nil {
		return s.session, nil
	}
	session, err := s.d.Connect(ctx)
	if err != nil {
		return nil, s.failure(err, nil)
	}
	s.session = session
	if s.epoch != 0 { // it is not the first one
		s.d.RenewReaders()
	}
	return session, nil
}

// ask runs a query of Lull's own on a session of its own: it is of use also where reads
// are refused, and sees the server that a new session would write to.
func (s *Sink) ask(ctx context.Context, query string, args []any, row func([]value.Value) error) error {
	ctx, done := s.Alive(ctx)
	defer done()
	session, err := s.d.Connect(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Query(ctx, query, args, row)
}

// begin starts a transaction. A session that the server closed while it was idle
// is replaced once.
func (s *Sink) begin(ctx context.Context) (Session, error) {
	reused := s.session != nil
	session, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	if err = session.Begin(ctx); err == nil {
		return session, nil
	}
	s.closeSession()
	if !reused || s.d.Judge(err).Kind != Lost || ctx.Err() != nil {
		return nil, s.failure(err, nil)
	}
	return s.begin(ctx)
}

// abandon ends the transaction after err. A session of which nothing is known is
// closed, and remembered until the next one has ended it on the server.
func (s *Sink) abandon(ctx context.Context, err error) {
	if s.session == nil {
		return
	}
	// After trouble with Lull's own tables the next session shall see what was changed
	// for it, limits of the server included. A server that takes no writes may have become
	// a standby: the next session finds the one that does.
	kind := s.d.Judge(err).Kind
	keep := kind != Lost && kind != Again && sink.ClassOf(err) != sink.OwnTables
	if ctx.Err() == nil && s.session.Rollback(ctx) == nil {
		if !keep {
			s.closeSession()
		}
		return
	}
	s.former = s.session.ID()
	s.closeSession()
}

// endFormer ends what a lost session may have left open on the server.
func (s *Sink) endFormer(ctx context.Context, session Session) error {
	if s.former == "" {
		return nil
	}
	if err := session.End(ctx, s.former); err != nil {
		return fmt.Errorf("end the former session: %w", err)
	}
	s.former = ""
	return nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func defaultTo[T comparable](field *T, otherwise T) {
	var zero T
	if *field == zero {
		*field = otherwise
	}
}
