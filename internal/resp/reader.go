package resp

import (
	"bytes"
	"errors"
	"io"
)

// Limits bound what a client may make the server hold. Above one of them Next
// returns a *ProtocolError, or ErrQueryTooLong.
type Limits struct {
	BulkMax int // bytes of one argument
	ArgsMax int // arguments of one command
	// QueryMax bounds the bytes of one command with all its framing.
	QueryMax int
}

// The limits of Redis: for clients that may do everything, and for those that have
// yet to authenticate.
var (
	DefaultLimits = Limits{BulkMax: 512 << 20, ArgsMax: 1 << 20, QueryMax: 1 << 30}
	UnauthLimits  = Limits{BulkMax: 16 << 10, ArgsMax: 10, QueryMax: 1 << 20}
)

const (
	inlineMax = 64 << 10 // bytes of an inline command, or of a line with a length

	bufferMin  = 4 << 10
	bufferKeep = 64 << 10 // a buffer larger than this is given back when it is not needed
	argsKeep   = 8 << 10  // an arena for more arguments than this is given back
	bufferIdle = 1 << 20  // one larger than this is given back before each wait for a new command
	readMax    = 64 << 10 // bytes to ask for at once, but for the rest of a long argument
)

// ProtocolError is what a client did against the protocol. Its connection cannot
// go on: where the next command begins is not known.
type ProtocolError struct{ Text string }

func (e *ProtocolError) Error() string { return "Protocol error: " + e.Text }

// ErrQueryTooLong means that one command is longer than Limits.QueryMax.
var ErrQueryTooLong = errors.New("query buffer limit reached")

// Reader parses commands out of the bytes that Fill reads. The zero Reader is
// ready, with DefaultLimits.
type Reader struct {
	limits Limits
	unauth bool

	buf  []byte // what was read
	next int    // where in buf the command under way begins
	// scan is how far the command under way is parsed, from its beginning.
	scan int

	// What is known of the command under way, if it is an array: all in offsets
	// from its beginning, since the buffer may move.
	missing int // arguments still to come; 0: no array has begun
	bulk    int // length of the argument under way; -1: not known yet
	spans   []span

	args    [][]byte // arena of the arguments that Next has returned
	longest int      // longest command since the buffer was last looked at
}

type span struct{ start, end uint32 }

// SetLimits changes the limits for commands that have not begun. unauth says that
// the errors are to be those for clients that have yet to authenticate.
func (r *Reader) SetLimits(l Limits, unauth bool) { r.limits, r.unauth = l, unauth }

// Buffered returns the bytes that are read and not returned by Next.
func (r *Reader) Buffered() int { return len(r.buf) - r.next }

// Cap returns the bytes of memory that the buffer takes.
func (r *Reader) Cap() int { return cap(r.buf) }

// Fill reads once from src. It makes invalid all that Next has returned. It
// returns src's error only if nothing was read.
func (r *Reader) Fill(src io.Reader) error {
	clear(r.args)
	if r.args = r.args[:0]; cap(r.args) > argsKeep {
		r.args = nil
	}
	r.makeRoom()
	n, err := src.Read(r.buf[len(r.buf):min(cap(r.buf), len(r.buf)+r.want())])
	r.buf = r.buf[:len(r.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// want is how many bytes to ask for: what the argument under way still needs, or
// a batch of commands.
func (r *Reader) want() int {
	if r.missing > 0 && r.bulk >= 0 {
		return max(readMax, r.bulk+2-(r.Buffered()-r.scan))
	}
	return readMax
}

// makeRoom leaves free space behind the bytes that are not parsed. The buffer
// doubles only when it is full: of one unfinished command, or, while it is small,
// of what one read brought.
func (r *Reader) makeRoom() {
	rest := r.Buffered()
	r.longest = max(r.longest, rest)
	switch {
	case r.buf == nil:
		r.buf = make([]byte, 0, bufferMin)
	case rest == 0 && cap(r.buf) > bufferKeep && (r.longest < cap(r.buf)/4 || cap(r.buf) > bufferIdle):
		r.buf, r.longest = make([]byte, 0, bufferMin), 0
	case len(r.buf) == cap(r.buf) && (r.next == 0 || cap(r.buf) < readMax):
		grown := make([]byte, rest, 2*cap(r.buf))
		copy(grown, r.buf[r.next:])
		r.buf = grown
	case r.next > 0:
		r.buf = r.buf[:copy(r.buf, r.buf[r.next:])]
	}
	r.next = 0
	if rest == 0 {
		r.longest -= r.longest / 8 // so that one long command is forgotten after some reads
	}
}

// Next returns the next complete command, or nil if there is none yet. The
// arguments stay valid until Fill. Empty lines and empty arrays are passed over, as
// Redis does. After an error the Reader is of no more use.
func (r *Reader) Next() ([][]byte, error) {
	if r.limits == (Limits{}) {
		r.limits = DefaultLimits
	}
	for r.next < len(r.buf) {
		var args [][]byte
		var done bool
		var err error
		if r.missing > 0 || r.buf[r.next] == '*' {
			args, done, err = r.array()
		} else {
			args, done, err = r.inline()
		}
		if err == nil && !done && r.Buffered() > r.limits.QueryMax {
			err = ErrQueryTooLong
		}
		if !done || err != nil || len(args) > 0 {
			return args, err
		}
	}
	return nil, nil
}

// array goes on with an array of bulk strings.
func (r *Reader) array() (args [][]byte, done bool, err error) {
	if r.missing == 0 {
		n, ok, err := r.length("mbulk count", "multibulk length", r.limits.ArgsMax)
		if !ok || err != nil {
			return nil, false, err
		}
		if n <= 0 {
			r.finish()
			return nil, true, nil
		}
		r.missing, r.bulk = n, -1
	}
	for r.missing > 0 {
		if ok, err := r.argument(); !ok || err != nil {
			return nil, false, err
		}
	}
	return r.take(), true, nil
}

// argument goes on with one bulk string.
func (r *Reader) argument() (ok bool, err error) {
	if r.bulk < 0 {
		if r.scan >= r.Buffered() {
			return false, nil
		}
		if c := r.buf[r.next+r.scan]; c != '$' {
			return false, &ProtocolError{"expected '$', got '" + printable(c) + "'"}
		}
		n, ok, err := r.length("bulk count", "bulk length", r.limits.BulkMax)
		if !ok || err != nil {
			return false, err
		}
		if n < 0 {
			return false, &ProtocolError{"invalid bulk length"}
		}
		r.bulk = n
	}
	if r.Buffered()-r.scan < r.bulk+2 {
		return false, nil
	}
	r.spans = append(r.spans, span{uint32(r.scan), uint32(r.scan + r.bulk)})
	r.scan += r.bulk + 2 // what stands for CR LF is not looked at, as in Redis
	r.missing--
	r.bulk = -1
	return true, nil
}

// length reads a line like "*3" or "$12" at scan, and passes it.
func (r *Reader) length(line, what string, most int) (n int, ok bool, err error) {
	rest := r.buf[r.next+r.scan:]
	end := bytes.IndexByte(rest[:min(len(rest), inlineMax)], '\r')
	if end < 0 {
		if len(rest) >= inlineMax {
			return 0, false, &ProtocolError{"too big " + line + " string"}
		}
		return 0, false, nil
	}
	if end+1 >= len(rest) {
		return 0, false, nil
	}
	n, valid := decimal(rest[1:end])
	switch {
	case !valid, n > DefaultLimits.BulkMax && n > most:
		return 0, false, &ProtocolError{"invalid " + what}
	case n > most && r.unauth:
		return 0, false, &ProtocolError{"unauthenticated " + what}
	case n > most:
		return 0, false, &ProtocolError{"invalid " + what}
	}
	r.scan += end + 2
	return n, true, nil
}

// take turns the spans into arguments.
func (r *Reader) take() [][]byte {
	command := r.buf[r.next:]
	first := len(r.args)
	for _, s := range r.spans {
		r.args = append(r.args, command[s.start:s.end:s.end])
	}
	r.finish()
	return r.args[first:len(r.args):len(r.args)]
}

// finish passes the command under way.
func (r *Reader) finish() {
	r.longest = max(r.longest, r.scan)
	r.next += r.scan
	r.scan, r.missing = 0, 0
	if cap(r.spans) > 1<<10 {
		r.spans = nil
	}
	r.spans = r.spans[:0]
}

// printable is c as it may stand in an error reply.
func printable(c byte) string {
	if c == '\r' || c == '\n' {
		return " "
	}
	return string([]byte{c})
}

// decimal reads an integer as strictly as Redis: no plus, no leading zeros, no
// spaces.
func decimal(b []byte) (n int, ok bool) {
	digits := b
	negative := len(b) > 1 && b[0] == '-'
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && (len(digits) > 1 || negative) {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}
